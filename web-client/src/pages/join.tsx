// A link that invites into somebody's session. It works once, so it is used by a person's click and
// not by whatever opens links to look at them.
import { useState } from "preact/hooks";
import { ErrorState } from "../app/states.tsx";
import { post } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { go } from "../lib/router.ts";

export function Join({ token }: { token: string }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const join = () => {
    setBusy(true);
    post<{ session: string; role: string }>("/api/invites", { token }).then(
      (a) => go(`/session/${encodeURIComponent(a.session)}?role=${encodeURIComponent(a.role)}`, true),
      (e: unknown) => { setError(e); setBusy(false); },
    );
  };
  if (error) return <div><h1 class="sr">{t("join.title")}</h1><ErrorState error={error} /></div>;
  return (
    <div class="state">
      <h1>{t("join.title")}</h1>
      <p>{t("join.text")}</p>
      <p class="muted"><Icon name="eye" /> {t("join.seen")}</p>
      <button class="button primary large" type="button" disabled={busy} onClick={join}>{t("join.go")}</button>
    </div>
  );
}
