// One more session beside this one: those of one's own that are open, and every connection that may
// be opened, found by typing.
import { useEffect, useState } from "preact/hooks";
import { Menu } from "../app/menu.tsx";
import { api, type Connection, type Session as SessionInfo } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { filterConnections, sortConnections } from "../lib/search.ts";

const SHOWN = 8;

export function BesideMenu({ open, add }: { open: string[]; add: (id: string, connection: string) => void }) {
  return (
    <Menu title={t("tiles.add")} label={<Icon name="tiles" />} panelClass="beside">
      {(close) => <Choices open={open} add={(id, connection) => { close(); add(id, connection); }} />}
    </Menu>
  );
}

function Choices({ open, add }: { open: string[]; add: (id: string, connection: string) => void }) {
  const [connections, setConnections] = useState<Connection[]>([]);
  const [sessions, setSessions] = useState<SessionInfo[]>([]);
  const [query, setQuery] = useState("");
  useEffect(() => {
    api<{ connections: Connection[] }>("/api/connections").then((a) => setConnections(a.connections.filter((c) => c.allowed && !c.errors?.length)), () => {});
    api<{ sessions: SessionInfo[] }>("/api/sessions").then((a) => setSessions(a.sessions.filter((s) => s.mine && !open.includes(s.id))), () => {});
  }, []);
  const title = (s: SessionInfo) => connections.find((c) => c.namespace === s.connection.namespace && c.name === s.connection.name)?.title || s.connection.name;
  return (
    <>
      <input type="search" class="item-input" placeholder={t("connections.search")} aria-label={t("connections.search")} value={query}
        onInput={(e) => setQuery(e.currentTarget.value)} onKeyDown={(e) => e.key !== "Escape" && !e.key.startsWith("Arrow") && e.stopPropagation()} />
      {!query && sessions.length > 0 && <div class="note">{t("sessions.own")}</div>}
      {!query && sessions.map((s) => <button key={s.id} class="item" type="button" onClick={() => add(s.id, "")}>{title(s)}</button>)}
      {!query && sessions.length > 0 && <hr />}
      {sortConnections(filterConnections(connections, query), !query).slice(0, SHOWN).map((c) => (
        <button key={`${c.namespace}/${c.name}`} class="item" type="button" onClick={() => add("", `${c.namespace}/${c.name}`)}>
          {c.title || c.name}<span class="end mono">{c.protocol}</span>
        </button>
      ))}
    </>
  );
}
