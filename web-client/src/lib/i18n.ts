// Words come from JSON catalogues; English is bundled, others are loaded when chosen. `{name}`
// is replaced; a key with `.one`/`.other` forms is chosen by Intl.PluralRules from `count`.
import en from "../i18n/en.json";

export type Key = keyof typeof en;
export type Catalogue = Record<string, string>;
export type Vars = Record<string, string | number>;

export const languages: Record<string, string> = { en: "English", de: "Deutsch" };

// All but English come when they are chosen.
const load: Record<string, () => Promise<{ default: Catalogue }>> = {
  de: () => import("../i18n/de.json") as Promise<{ default: Catalogue }>,
};

let catalogue: Catalogue = en;
export let language = "en";
let plural = new Intl.PluralRules("en");

export async function useLanguage(code: string): Promise<void> {
  const found = code in languages ? code : "en";
  catalogue = found in load ? { ...en, ...(await (load[found] as (typeof load)[string])()).default } : en;
  language = found;
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

// The language a person chose, else the browser's if we have it, else English.
export function chooseLanguage(chosen: string, offered: readonly string[]): string {
  if (chosen in languages) return chosen;
  for (const tag of offered) {
    const base = tag.toLowerCase().split("-")[0] ?? "";
    if (base in languages) return base;
  }
  return "en";
}

export function fill(text: string, vars: Vars): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in vars ? String(vars[name]) : whole));
}

export function t(key: Key, vars?: Vars): string {
  const text = catalogue[key] ?? (en as Catalogue)[key] ?? key;
  return vars ? fill(text, vars) : text;
}

type PluralKey = Key extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;

export function tn(key: PluralKey, count: number, vars: Vars = {}): string {
  const form = `${key}.${plural.select(count)}` as Key;
  const use = form in catalogue ? form : (`${key}.other` as Key);
  return t(use, { count: number(count), ...vars });
}

// Only for keys that are made from data (a status code, a state): falls back when there is none.
export function tryT(key: string, fallback: string): string {
  return catalogue[key] ?? (en as Catalogue)[key] ?? fallback;
}

export const number = (value: number): string => new Intl.NumberFormat(language).format(value);
