// What a person likes, on this device. Every choice holds at once.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { languages, t, useLanguage, chooseLanguage } from "../lib/i18n.ts";
import { change, isMac, settings, type Settings as S } from "../lib/settings.ts";

function Choice<K extends keyof S>({ name, legend, note, options, value, set }: {
  name: K; legend: string; note?: string; options: [S[K], string][]; value: S[K]; set: (v: S[K]) => void;
}) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {note && <p class="muted">{note}</p>}
      <div class="options">
        {options.map(([v, label]) => (
          <label class="option" key={String(v)}>
            <input type="radio" name={name} checked={value === v} onChange={() => set(v)} />{label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

export function Settings() {
  const [s, setS] = useState(settings());
  const set = (part: Partial<S>) => setS(change(part));
  const check = (name: "commandAsCtrl" | "ctrlVPastes", label: string, note: string): ComponentChildren => (
    <label class="check">
      <input type="checkbox" checked={s[name]} onChange={(e) => set({ [name]: e.currentTarget.checked })} />
      <span>{label}<br /><span class="muted">{note}</span></span>
    </label>
  );
  return (
    <>
      <header class="page-head"><h1>{t("nav.settings")}</h1></header>
      <div class="choices">
        <Choice name="theme" legend={t("settings.theme")} value={s.theme} set={(theme) => set({ theme })} options={[
          ["system", t("settings.theme.system")], ["light", t("settings.theme.light")],
          ["dark", t("settings.theme.dark")], ["contrast", t("settings.theme.contrast")],
        ]} />
        <Choice name="motion" legend={t("settings.motion")} value={s.motion} set={(motion) => set({ motion })} options={[
          ["system", t("settings.motion.system")], ["reduced", t("settings.motion.reduced")],
        ]} />
        <Choice name="language" legend={t("settings.language")} value={s.language} set={(language) => {
          set({ language });
          void useLanguage(chooseLanguage(language, navigator.languages)).then(() => dispatchEvent(new Event("language")));
        }} options={[["", t("settings.language.system")], ...Object.entries(languages)]} />
        <fieldset>
          <legend>{t("settings.keyboard")}</legend>
          {isMac() && check("commandAsCtrl", t("settings.command"), t("settings.command.note"))}
          {check("ctrlVPastes", t("settings.ctrlV"), t("settings.ctrlV.note"))}
        </fieldset>
        <Choice name="touch" legend={t("settings.touch")} note={t("settings.touch.note")} value={s.touch} set={(touch) => set({ touch })} options={[
          ["touchscreen", t("settings.touch.touchscreen")], ["touchpad", t("settings.touch.touchpad")],
        ]} />
      </div>
    </>
  );
}
