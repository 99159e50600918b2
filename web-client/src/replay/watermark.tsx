// Who is watching, over the whole picture: whoever photographs the screen photographs the name too.
export function Watermark({ name, width, height }: { name: string; width: number; height: number }) {
  const count = Math.min(120, Math.ceil(width / 280 + 1) * Math.ceil(height / 140 + 1));
  return <div class="watermark" aria-hidden="true">{Array.from({ length: count }, (_, i) => <span key={i}>{name}</span>)}</div>;
}
