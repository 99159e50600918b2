// One question before something happens to somebody else: what is typed goes along as note, reason
// or message; a failure stays in the dialog with its sentence.
import { useState } from "preact/hooks";
import { ApiError } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { Modal } from "./modal.tsx";
import { useSubmit } from "./submit.ts";

interface AskProps {
  title: string;
  text?: string;
  label: string; // of the field
  needed?: boolean; // an empty field is no answer
  line?: boolean; // one line is enough
  action: string; // the button
  run: (words: string) => Promise<unknown>;
  done: () => void;
  close: () => void;
}

export function Problem({ error }: { error: unknown }) {
  if (!error) return null;
  const e = error instanceof ApiError ? error : null;
  return (
    <p class="problem" role="alert">
      <Icon name="alert" /> <span>{(error as Error).message} {e?.advice}</span> {e?.rule && <code class="muted">{e.rule}</code>}
    </p>
  );
}

export function Ask({ title, text, label, needed, line, action, run, done, close }: AskProps) {
  const [words, setWords] = useState("");
  const { busy, error, submit } = useSubmit(() => run(words.trim()), () => { done(); close(); });
  return (
    <Modal title={title} close={close}>
      <form class="prompt" onSubmit={submit}>
        {text && <p>{text}</p>}
        <label class="field">{label}
          {line ? <input type="text" maxLength={255} autofocus required={!!needed} autocomplete="off" spellcheck={false} value={words} onInput={(e) => setWords(e.currentTarget.value)} />
            : <textarea class="words" rows={3} maxLength={500} autofocus required={!!needed} value={words} onInput={(e) => setWords(e.currentTarget.value)} />}
        </label>
        <Problem error={error} />
        <div class="actions">
          <button class="button primary" disabled={busy || (needed && !words.trim())}>{action}</button>
          <button class="button" type="button" onClick={close}>{t("cancel")}</button>
        </div>
      </form>
    </Modal>
  );
}
