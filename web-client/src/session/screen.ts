// How big the remote screen should be, and at which scale it is shown. Pure numbers: CSS pixels in,
// device pixels out, so that one remote pixel is one pixel of the panel.

export type Fit = "fit" | "actual" | number; // a number is a zoom in percent of actual size

export const MAX_SIDE = 8192;
export const MIN_SIDE = 64;

const clamp = (n: number): number => Math.min(MAX_SIDE, Math.max(MIN_SIDE, n));

export function remoteSize(width: number, height: number, ratio: number): { width: number; height: number; dpi: number } {
  return {
    width: clamp(Math.floor(width * ratio)),
    height: clamp(Math.floor(height * ratio)),
    dpi: Math.round(96 * ratio),
  };
}

export function scaleFor(
  fit: Fit,
  view: { width: number; height: number },
  remote: { width: number; height: number },
  ratio: number,
): number {
  const actual = 1 / ratio;
  if (fit === "actual" || !remote.width || !remote.height || !view.width || !view.height) return actual;
  if (typeof fit === "number") return (actual * fit) / 100;
  const scale = Math.min(view.width / remote.width, view.height / remote.height);
  // A remote that followed our size up to a few pixels (a terminal's cells, an even width) stays
  // sharp: better a thin margin than every pixel smeared.
  return scale > actual && scale < actual * 1.12 ? actual : scale;
}

const ZOOMS = [25, 33, 50, 67, 75, 100, 125, 150, 175, 200, 250, 300, 400];

// The next larger or smaller zoom, from whatever the picture is shown at.
export function zoomed(percent: number, step: 1 | -1): number {
  if (step > 0) return ZOOMS.find((z) => z > percent * 1.01) ?? 400;
  return [...ZOOMS].reverse().find((z) => z < percent * 0.99) ?? 25;
}
