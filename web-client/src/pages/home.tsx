// Signed out: one button. Coming from a deep link with one way to sign in goes straight on, but
// never twice in a row, so a broken sign-in ends here instead of in a loop.
import { useEffect, useState } from "preact/hooks";
import { Loading, ErrorState } from "../app/states.tsx";
import { api, refusal } from "../lib/api.ts";
import { t } from "../lib/i18n.ts";
import { Icon } from "../lib/icons.tsx";
import { safePath } from "../lib/router.ts";

interface Methods {
  oidc: boolean;
  link: boolean;
}

const TRIED = "signin-tried";

function triedLately(): boolean {
  try {
    const at = Number(sessionStorage.getItem(TRIED));
    sessionStorage.setItem(TRIED, String(Date.now()));
    return Date.now() - at < 60_000;
  } catch {
    return true;
  }
}

export function Home({ to }: { to: string }) {
  const [methods, setMethods] = useState<Methods | null>(null);
  const [error, setError] = useState<unknown>(null);
  const login = `/auth/login?to=${encodeURIComponent(safePath(to))}`;
  const load = () => {
    setError(null);
    api<Methods>("/auth/methods").then((found) => {
      if (found.oidc && to !== "/" && !refusal && !triedLately()) location.replace(login);
      else setMethods(found);
    }, setError);
  };
  useEffect(() => {
    document.title = `${t("home.title")} – ${t("app.name")}`;
    load();
  }, []);
  return (
    <div class="welcome">
      <main>
        <span class="mark" aria-hidden="true" />
        <h1>{t("home.title")}</h1>
        {error ? <ErrorState error={error} retry={load} /> : !methods ? <Loading /> : (
          <>
            {refusal ? <p class="problem" role="alert"><Icon name={refusal.rule === "locked" ? "lock" : "power"} /> <span>{refusal.message} {refusal.advice}</span></p> : <p class="muted">{t("home.text")}</p>}
            {methods.oidc && <a class="button primary large" href={login}>{t("home.signIn")}</a>}
            {methods.link && <p class={methods.oidc ? "muted" : ""}><Icon name="link" /> {t("home.link")}</p>}
            {!methods.oidc && !methods.link && <p role="alert"><Icon name="alert" /> {t("home.none")}</p>}
          </>
        )}
      </main>
    </div>
  );
}
