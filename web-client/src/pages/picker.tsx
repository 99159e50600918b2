// Which namespace, pod and container of a cluster: what the person's own rights show, one question
// after the other, found by typing. Names that may not be listed can still be typed.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem } from "../app/ask.tsx";
import { api, type Connection, type Pick, type PickPart } from "../lib/api.ts";
import { t, tn } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";

interface Pod {
  name: string;
  phase: string;
  ready: boolean;
  containers: { name: string; ready: boolean }[];
}

interface Answer {
  namespace: string; // the connection's own
  namespaces?: { name: string }[];
  pods?: Pod[];
  allowed?: boolean;
  more?: boolean;
}

interface Option {
  value: string;
  label: string;
  note: string;
  containers: string[]; // of a pod
}

const order: PickPart[] = ["namespace", "pod", "container", "command"];
const shells = ["sh", "bash"];
const DELAY = 150; // after the last key, before the cluster is asked

// A container can be picked of a picked pod only; without that the gateway asks when it opens.
export function stepsOf(c: { choose?: PickPart[] }): PickPart[] {
  const choose = c.choose ?? [];
  return order.filter((part) => choose.includes(part) && (part !== "container" || choose.includes("pod")));
}

export function optionsOf(step: PickPart, answer: Answer | null, containers: string[], query: string): Option[] {
  const plain = (value: string, label = value, note = ""): Option => ({ value, label, note, containers: [] });
  const fits = (o: Option) => o.label.toLowerCase().includes(query.toLowerCase());
  switch (step) {
    case "namespace":
      return (answer?.namespaces ?? []).map((n) => plain(n.name)).filter(fits);
    case "pod":
      return (answer?.pods ?? []).map((p) => ({
        value: p.name, label: p.name, containers: p.containers.map((c) => c.name),
        note: `${p.ready ? t("picker.ready") : p.phase === "Running" ? t("picker.notReady") : p.phase} · ${tn("picker.containers", p.containers.length)}`,
      })).filter(fits);
    case "container":
      return [plain("", t("picker.default.container")), ...containers.map((name) => plain(name))].filter(fits);
    case "command":
      return [plain("", t("picker.default.command")), ...shells.map((name) => plain(name))].filter(fits);
  }
}

export function Picker({ c, done, cancel }: { c: Connection; done: (pick: Pick) => void; cancel: () => void }) {
  const steps = stepsOf(c);
  const [at, setAt] = useState(0);
  const [pick, setPick] = useState<Pick>({});
  const [containers, setContainers] = useState<string[]>([]);
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(0);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const id = useId();
  const step = steps[at] as PickPart;
  const asks = step === "namespace" || step === "pod";

  useEffect(() => {
    setActive(0);
    setError(null);
    if (!asks) return;
    let stale = false;
    const ask = () => {
      const words = new URLSearchParams();
      if (step === "pod" && pick.namespace) words.set("namespace", pick.namespace);
      if (query.trim()) words.set("q", query.trim());
      setBusy(true);
      api<Answer>(`/api/connections/${encodeURIComponent(c.namespace)}/${encodeURIComponent(c.name)}/targets?${words.toString()}`).then(
        (a) => { if (!stale) { setAnswer(a); setBusy(false); } },
        (e: unknown) => { if (!stale) { setAnswer(null); setError(e); setBusy(false); } },
      );
    };
    const timer = setTimeout(ask, query ? DELAY : 0);
    return () => { stale = true; clearTimeout(timer); };
  }, [step, pick.namespace, query]);
  useEffect(() => {
    setAnswer(null);
    input.current?.focus();
  }, [at]);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active]);

  const options = optionsOf(step, answer, containers, query.trim());
  const typed = query.trim();
  const mine = typed && !options.some((o) => o.value === typed) ? [{ value: typed, label: t("picker.typed", { name: typed }), note: "", containers: [] }] : [];
  const all = [...options, ...mine];

  const take = (o: Option) => {
    const next: Pick = { ...pick };
    if (o.value) next[step] = o.value;
    else delete next[step];
    const found = step === "pod" ? o.containers : containers;
    let after = at + 1;
    // One container is no question.
    if (steps[after] === "container" && found.length === 1) {
      next.container = found[0] as string;
      after++;
    }
    setContainers(found);
    setPick(next);
    setQuery("");
    if (after < steps.length) setAt(after);
    else done(next);
  };
  const back = () => {
    setQuery("");
    if (at === 0) return cancel();
    const before = steps[at - 1] === "container" && containers.length === 1 ? at - 2 : at - 1;
    setAt(Math.max(before, 0));
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      setActive(Math.max(0, Math.min(active + (e.key === "ArrowDown" ? 1 : -1), all.length - 1)));
    } else if (e.key === "Enter") {
      e.preventDefault();
      const o = all[active];
      if (o && !(busy && !answer && !typed)) take(o);
    } else if (e.key === "Escape") {
      e.preventDefault();
      if (query) setQuery("");
      else back();
    } else if (e.key === "Backspace" && !query && at > 0) back();
  };

  return (
    <section class="picker" onKeyDown={keys} aria-labelledby={`${id}t`}>
      <h1 id={`${id}t`}>{t("picker.title", { title: c.title || c.name })}</h1>
      <ol class="steps">
        {steps.map((s, i) => (
          <li key={s} aria-current={i === at ? "step" : undefined} class={i < at ? "past" : ""}>
            {t(`picker.${s}`)}{i < at && <> <span class="mono">{pick[s] ?? "–"}</span></>}
          </li>
        ))}
      </ol>
      <label class="search">
        <Icon name="search" />
        <span class="sr">{t(`picker.${step}`)}</span>
        <input ref={input} type="text" role="combobox" aria-expanded="true" aria-autocomplete="list" aria-controls={`${id}l`}
          aria-activedescendant={all[active] ? `${id}o${active}` : undefined} placeholder={t("picker.search")} value={query} maxLength={253}
          autocomplete="off" autocapitalize="off" spellcheck={false} onInput={(e) => setQuery(e.currentTarget.value)} />
      </label>
      <p class="hint"><span role="status">{busy ? t("picker.loading") : error ? "" : all.length === 0 ? (typed ? t("picker.noMatch", { query: typed }) : t("picker.none")) : t("picker.keys")}</span></p>
      <Problem error={error} />
      {answer?.allowed === false && <p class="problem" role="alert"><Icon name="alert" /> <span>{t("picker.denied", { namespace: pick.namespace ?? answer.namespace })}</span></p>}
      <ul ref={list} class="options" role="listbox" id={`${id}l`} aria-label={t(`picker.${step}`)} data-step={step}>
        {all.map((o, i) => (
          <li key={`${o.value}:${o.label}`} id={`${id}o${i}`} role="option" aria-selected={i === active} onClick={() => take(o)} onMouseMove={() => setActive(i)}>
            <span class={o.value ? "mono" : ""}>{o.label}</span><span class="note">{o.note}</span>
          </li>
        ))}
      </ul>
      {answer?.more && <p class="hint">{t("picker.more")}</p>}
      <div class="actions"><button class="button" type="button" onClick={back}>{at === 0 ? t("cancel") : t("picker.back")}</button></div>
    </section>
  );
}
