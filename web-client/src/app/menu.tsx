// A button with a panel: opens on click, closes on Escape, on a click elsewhere and when the focus
// leaves. Arrows walk through its items.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface MenuProps {
  label: ComponentChildren;
  title: string;
  class?: string;
  panelClass?: string;
  named?: boolean; // the label's own words name it
  children: (close: () => void) => ComponentChildren;
}

export function Menu({ label, title, class: extra = "", panelClass = "", named = false, children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (e: Event) => {
      if (!root.current?.contains(e.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside, true);
    document.addEventListener("focusin", outside, true);
    (root.current?.querySelector(".panel .item, .panel input, .panel textarea, .panel button") as HTMLElement | null)?.focus();
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("focusin", outside, true);
    };
  }, [open]);
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Escape" && open) {
      e.stopPropagation();
      close();
    }
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const items = [...(root.current?.querySelectorAll<HTMLElement>(".panel .item") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    e.preventDefault();
    items[(at + (e.key === "ArrowDown" ? 1 : items.length - 1)) % items.length]?.focus();
  };
  return (
    <div class={`menu ${extra}`} ref={root} onKeyDown={keys}>
      <button class="tool" type="button" ref={button} aria-expanded={open} title={title} aria-label={named ? undefined : title} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open && <div class={`panel ${panelClass}`} role="group" aria-label={title}>{children(close)}</div>}
    </div>
  );
}
