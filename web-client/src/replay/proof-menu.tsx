// How much of what is played was proved, in words and numbers; and a way to prove all of it.
import { useRef, useState } from "preact/hooks";
import { Menu } from "../app/menu.tsx";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import type { Index } from "./index.ts";
import type { Loader } from "./loader.ts";
import { sealChains, type OpenFacts } from "./statement.ts";

export function ProofMenu({ loader, index, seal, facts }: { loader: Loader; index: Index; seal: unknown; facts: OpenFacts }) {
  const [running, setRunning] = useState(false);
  const stop = useRef(false);
  const { proofs } = loader;
  const total = index.chunks.length + index.keyframes.length + index.texts.length;
  const bad = proofs.broken.length;
  const chains = sealChains(seal);
  const sealed = chains ? proofs.sealed(chains) : "open";
  const openBad = loader.openSigned === false;
  const run = async () => {
    setRunning(true);
    stop.current = false;
    for (const object of [...index.chunks, ...index.keyframes, ...index.texts]) {
      if (stop.current) break;
      await loader.prove(object.name);
    }
    setRunning(false);
  };
  const title = bad || openBad ? t("proof.bad", { count: Math.max(bad, 1) }) : t("proof.good", { checked: proofs.checked, total });
  return (
    <Menu named class="up" panelClass="proofs" title={title} label={
      <span class={`proof ${bad || openBad ? "bad" : ""}`}><Icon name={bad || openBad ? "alert" : "shield"} />{bad || openBad ? t("proof.altered") : <><span class="sr">{t("proof.objects")} </span>{proofs.checked}/{total}</>}</span>
    }>
      {() => (
        <>
          <h2>{t("proof.title")}</h2>
          <dl>
            <dt>{t("proof.objects")}</dt><dd>{t("proof.good", { checked: proofs.checked, total })}</dd>
            <dt>{t("proof.open")}</dt><dd>{t(loader.openSigned === null ? "proof.unknown" : openBad ? "proof.no" : "proof.yes")}</dd>
            <dt>{t("proof.signatures")}</dt><dd>{t(proofs.unsigned ? "proof.noEd25519" : bad ? "proof.no" : proofs.checked ? "proof.yes" : "proof.unknown")}</dd>
            <dt>{t("proof.chain")}</dt><dd>{t(bad ? "proof.no" : proofs.checked ? "proof.yes" : "proof.unknown")}</dd>
            <dt>{t("proof.seal")}</dt><dd>{t(!chains ? "proof.notSealed" : sealed === "ok" ? "proof.complete" : sealed === "bad" ? "proof.no" : "proof.partly")}</dd>
            <dt>{t("proof.key")}</dt><dd><code>{facts.keyid.slice(0, 16) || "–"}</code></dd>
          </dl>
          {bad > 0 && <ol>{proofs.broken.slice(0, 100).map((b) => <li key={b.name}>{b.name}: {b.reason}</li>)}</ol>}
          {running && <progress max={total} value={proofs.checked} aria-label={t("proof.progress")} />}
          <div class="actions">
            {running
              ? <button class="button" type="button" onClick={() => { stop.current = true; }}>{t("cancel")}</button>
              : <button class="button primary" type="button" disabled={proofs.checked >= total} onClick={() => void run()}>{t("proof.all")}</button>}
          </div>
          <p class="muted">{t("proof.note")}</p>
        </>
      )}
    </Menu>
  );
}
