// Times, lengths and sizes in the reader's language.
import { language, t } from "./i18n.ts";

const pad = (n: number): string => String(n).padStart(2, "0");

// 75_000 -> "1:15", 3_675_000 -> "1:01:15"
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return h ? `${h}:${pad(m)}:${pad(s % 60)}` : `${m}:${pad(s % 60)}`;
}

// A moment as an address holds it: seconds, to the millisecond. A rounder one may be past the next line.
export const seconds = (ms: number): string => String(Math.round(ms) / 1000);

// "12:34", "1:02:03", "75", "75.5" -> milliseconds; null when it is none of these.
export function parseClock(text: string): number | null {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((p) => !/^\d+(\.\d+)?$/.test(p))) return null;
  return Math.round(parts.reduce((sum, p) => sum * 60 + Number(p), 0) * 1000);
}

export function bytes(n: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[i] as string,
    unitDisplay: i ? "short" : "long",
    maximumFractionDigits: n < 10 && i ? 1 : 0,
  }).format(n);
}

export function dateTime(ms: number): string {
  if (!ms) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(ms);
}

export function shortDateTime(ms: number): string {
  if (!ms) return "";
  return new Intl.DateTimeFormat(language, {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
  }).format(ms);
}

export function ago(ms: number, now = Date.now()): string {
  if (!ms) return "";
  const s = Math.round((ms - now) / 1000);
  const abs = Math.abs(s);
  if (abs < 45) return t("time.now");
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (abs < 2700) return format.format(Math.round(s / 60), "minute");
  if (abs < 79200) return format.format(Math.round(s / 3600), "hour");
  if (abs < 2_160_000) return format.format(Math.round(s / 86400), "day");
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(ms);
}

// Controls that would move or hide text are shown, not obeyed.
export function printable(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}
