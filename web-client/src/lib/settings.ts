// What a person chose on this device. Nothing secret lives here.
export interface Settings {
  theme: "system" | "light" | "dark" | "contrast";
  motion: "system" | "reduced";
  language: string;
  commandAsCtrl: boolean;
  ctrlVPastes: boolean;
  touch: "touchscreen" | "touchpad";
  oskLayout: string;
}

export const defaults: Settings = {
  theme: "system",
  motion: "system",
  language: "",
  commandAsCtrl: true,
  ctrlVPastes: false,
  touch: "touchscreen",
  oskLayout: "us",
};

const KEY = "settings";

// Unknown names and values of the wrong type are dropped, so an old or damaged entry harms nothing.
export function parseSettings(text: string | null): Settings {
  const out = { ...defaults };
  let stored: Record<string, unknown>;
  try {
    stored = JSON.parse(text ?? "{}") as Record<string, unknown>;
  } catch {
    return out;
  }
  if (!stored || typeof stored !== "object") return out;
  const choice = <K extends keyof Settings>(key: K, allowed: readonly Settings[K][]) => {
    if (allowed.includes(stored[key] as Settings[K])) out[key] = stored[key] as Settings[K];
  };
  choice("theme", ["system", "light", "dark", "contrast"]);
  choice("motion", ["system", "reduced"]);
  choice("commandAsCtrl", [true, false]);
  choice("ctrlVPastes", [true, false]);
  choice("touch", ["touchscreen", "touchpad"]);
  if (typeof stored["oskLayout"] === "string") out.oskLayout = stored["oskLayout"].slice(0, 16);
  if (typeof stored["language"] === "string") out.language = stored["language"].slice(0, 16);
  return out;
}

let current: Settings | null = null;
export function settings(): Settings {
  if (!current) {
    let text: string | null = null;
    try {
      text = localStorage.getItem(KEY);
    } catch {
      /* storage may be forbidden: defaults then */
    }
    current = parseSettings(text);
  }
  return current;
}

export function change(part: Partial<Settings>): Settings {
  current = { ...settings(), ...part };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    /* holds for this page then */
  }
  applyLook(current);
  return current;
}

export function applyLook(s: Settings): void {
  const root = document.documentElement;
  root.dataset["theme"] = s.theme;
  root.dataset["motion"] = s.motion;
}

export const isMac = (): boolean => /mac|iphone|ipad/i.test(navigator.platform);
