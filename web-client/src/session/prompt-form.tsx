// The target asks: a password, the questions of keyboard-interactive, an unknown host key.
import { useEffect, useRef, useState } from "preact/hooks";
import { t, tryT } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { fingerprint, type Prompt } from "./prompts.ts";
import type { Session, View } from "./session.ts";

export function Prompts({ session, view, title }: { session: Session; view: View; title: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    return () => dialog.current?.close();
  }, []);
  const names = view.prompts.map((p) => p.name).join();
  const choice = view.prompts.find((p) => p.kind === "choice");
  const offered = view.prompts.find((p) => p.choices);
  return (
    <dialog class="card" ref={dialog} aria-labelledby="prompt-title" onCancel={(e) => { e.preventDefault(); session.end(); }}
      onKeyDown={(e) => e.stopPropagation()}>
      <h2 id="prompt-title">{t(choice ? "prompt.hostKey" : "prompt.title", { title })}</h2>
      {offered ? <Offer key={names} session={session} prompt={offered} /> : choice ? <HostKey key={names} session={session} prompt={choice} /> : <Fields key={names} session={session} prompts={view.prompts} />}
    </dialog>
  );
}

function Fields({ session, prompts }: { session: Session; prompts: Prompt[] }) {
  const [values, setValues] = useState<Record<string, string>>({});
  const [sent, setSent] = useState(false);
  return (
    <form class="prompt" onSubmit={(e) => { e.preventDefault(); setSent(true); session.answer(values); }}>
      {prompts.map((p, i) => (
        <label class="field" key={p.name}>
          {p.text ? <pre>{p.text}</pre> : tryT(`prompt.${p.name}`, p.name)}
          <input autofocus={i === 0} name={p.name} {...(p.kind === "secret" ? { type: "password" as const } : { type: "text" as const })} value={values[p.name] ?? ""}
            autocomplete={p.name === "username" ? "username" : "off"} autocapitalize="off" spellcheck={false}
            onInput={(e) => setValues({ ...values, [p.name]: e.currentTarget.value })} />
        </label>
      ))}
      <p class="muted"><Icon name="lock" /> {t("prompt.note")}</p>
      <div class="actions">
        <button class="button primary" disabled={sent}>{t("prompt.send")}</button>
        <button class="button" type="button" onClick={() => session.end()}>{t("cancel")}</button>
      </div>
    </form>
  );
}

// One of a few: which container of a pod.
function Offer({ session, prompt }: { session: Session; prompt: Prompt }) {
  const [sent, setSent] = useState(false);
  return (
    <div class="prompt">
      <p>{prompt.text}</p>
      <div class="offer">
        {prompt.choices?.map((name, i) => (
          <button key={name} class="button mono" type="button" autofocus={i === 0} disabled={sent}
            onClick={() => { setSent(true); session.answer({ [prompt.name]: name }); }}>{name}</button>
        ))}
      </div>
      <div class="actions"><button class="button" type="button" onClick={() => session.end()}>{t("cancel")}</button></div>
    </div>
  );
}

function HostKey({ session, prompt }: { session: Session; prompt: Prompt }) {
  const print = fingerprint(prompt.text);
  const answer = (yes: boolean) => session.answer({ [prompt.name]: yes ? "yes" : "no" });
  return (
    <div class="prompt">
      <pre>{prompt.text || t("prompt.hostKey.text")}</pre>
      {print && <code class="fingerprint">{print}</code>}
      <p class="muted">{t("prompt.hostKey.advice")}</p>
      <div class="actions">
        <button class="button" type="button" autofocus onClick={() => answer(false)}>{t("prompt.refuse")}</button>
        <button class="button primary" type="button" onClick={() => answer(true)}>{t("prompt.accept")}</button>
      </div>
    </div>
  );
}
