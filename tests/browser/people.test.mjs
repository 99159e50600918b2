// Several people of the real Keycloak, each in a browser of their own, through the real gateway: ask,
// be approved, work, be watched, helped, warned, revoked, locked out, and signed out everywhere.
import { after, before, describe, test as nodeTest } from "node:test";
import assert from "node:assert/strict";
import { accessible, focused, launch, open, pictured, shot, until } from "./lib/browser.mjs";
import { Gateway } from "./lib/gateway.mjs";

const missing = Gateway.missing("keycloak");
if (missing && process.env.CI === "true") throw new Error(missing);

const shows = (page, pattern) =>
  page.waitForFunction((p) => new RegExp(p, "m").test(document.querySelector(".sr pre")?.textContent ?? ""), pattern);

describe("people", { skip: missing || false }, () => {
  let g, browser, current;
  const people = {}; // user: what open() gives
  const page = (user) => (current = people[user].page);
  const test = (name, run) => nodeTest(name, pictured(() => current, name, async () => {
    await run();
    for (const it of Object.values(people)) assert.deepEqual(it.problems.splice(0), [], "console errors or CSP violations");
  }));
  // By Keycloak's own page, as a person does.
  const signIn = async (user, name = user) => {
    const it = (people[name] = await open(browser, { allow: [/401 \(Unauthorized\)/, /realms\/catalyst/] }));
    const p = page(name);
    await p.goto(g.url);
    await p.getByRole("link", { name: "Sign in" }).click();
    await p.locator("#username").fill(user);
    await p.locator("#password").fill(`${user}-pw`);
    await p.locator("#kc-login").click();
    await p.getByRole("button", { name: /Signed in as/ }).waitFor();
    it.problems.splice(0); // Keycloak's own page
    return p;
  };
  const shell = async (p, name) => {
    await p.goto(`${g.url}/session/new?connection=test%2F${name}`);
    await focused(p);
    await shows(p, "\\$ *$");
    return p.url().split("/").at(-1);
  };
  const row = (p, text) => p.locator(".card-row", { hasText: text });

  before(async () => {
    g = await new Gateway().start({ people: true, conf: ["moderator-roles = auditor", "hold-roles = auditor", "warn-seconds = 3600"] });
    const secret = { username: g.ssh.SSHD_USER, password: g.ssh.SSHD_PASSWORD };
    g.connection("free", { title: "Free shell", secret, roles: "prod-operator" });
    g.connection("vault", { title: "Vault", secret, roles: "prod-operator", spec: "  jit: { requiredApprovers: [team-platform], maxDurationMinutes: 60 }\n" });
    g.connection("ledger", { title: "Ledger", secret, roles: "prod-operator", spec: "  jit: { requiredApprovers: [security-officers], maxDurationMinutes: 60 }\n" });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await g?.stop();
  });

  test("each signs in by Keycloak's page and sees what is theirs", async () => {
    for (const user of ["olga", "apollo", "aude", "sonja"]) await signIn(user);
    await page("olga").getByText("Free shell").waitFor();
    await page("olga").getByText("Vault", { exact: true }).waitFor();
    await accessible(page("olga"), "connections of a person");
    assert.equal(await page("olga").getByRole("link", { name: "Recordings" }).count(), 0);
    await page("aude").getByRole("link", { name: "Recordings" }).waitFor();
    await shot(page("olga"), "people-connections");
  });

  test("asked for, approved by another person in another browser, open in the first by itself", async () => {
    const olga = page("olga");
    await olga.locator("li", { hasText: "Vault" }).getByRole("button", { name: "Ask for approval" }).click();
    await olga.getByLabel("Why").fill("Ticket 4711: the ledger is stuck");
    await olga.getByRole("button", { name: "30 minutes" }).click();
    await olga.getByRole("button", { name: "Ask", exact: true }).click();
    await olga.getByText("Asked for. Still missing:").waitFor();
    await shot(olga, "people-asked");
    const apollo = page("apollo");
    await apollo.getByRole("link", { name: /Approvals/ }).click();
    await row(apollo, "Ticket 4711").getByRole("button", { name: "Approve" }).click();
    await apollo.getByLabel("Note").fill("go ahead");
    await accessible(apollo, "approve dialog");
    await shot(apollo, "people-approve");
    await apollo.locator("dialog").getByRole("button", { name: "Approve" }).click();
    await row(apollo, "Ticket 4711").getByText("Approved", { exact: true }).waitFor();
    await accessible(apollo, "approvals of an approver");
    page("olga");
    await olga.getByText("Open for").waitFor();
    await shot(olga, "people-window");
  });

  test("she works, is warned of the window's end, and is revoked: the session ends with the reason", async () => {
    const olga = page("olga");
    await shell(olga, "vault");
    await olga.keyboard.type("echo in-the-$((40+2))-vault\n");
    await shows(olga, "^in-the-42-vault");
    await olga.getByText("approved is nearly over").waitFor();
    await shot(olga, "people-warned");
    const apollo = page("apollo");
    await row(apollo, "Ticket 4711").getByRole("button", { name: "Revoke" }).click();
    await apollo.getByLabel("Note").fill("The ledger runs again.");
    await apollo.locator("dialog").getByRole("button", { name: "Revoke" }).click();
    page("olga");
    await olga.locator(".veil [role=alert]").waitFor();
    await olga.getByText(/took it back: The ledger runs again\./).waitFor();
    await olga.getByText("ask for approval again").waitFor();
    await accessible(olga, "revoked");
    await shot(olga, "people-revoked");
    await olga.goto(`${g.url}/connections`);
    await olga.locator("li", { hasText: "Vault" }).getByRole("button", { name: "Ask for approval" }).waitFor();
  });

  let session;
  test("the live list: watched read-only, told, paused and on again", async () => {
    const olga = page("olga");
    session = await shell(olga, "free");
    const aude = page("aude");
    await aude.getByRole("link", { name: "Live" }).click();
    await row(aude, "Free shell").getByRole("link", { name: "Watch" }).waitFor();
    await accessible(aude, "live of a moderator");
    await shot(aude, "people-live");
    await row(aude, "Free shell").getByRole("button", { name: "More for" }).click();
    await aude.getByRole("button", { name: "Message" }).click();
    await aude.getByLabel("Message", { exact: true }).fill("Maintenance in ten minutes.");
    await aude.locator("dialog").getByRole("button", { name: "Message" }).click();
    page("olga");
    await olga.getByText("Maintenance in ten minutes.").waitFor();
    await shot(olga, "people-message");
    page("aude");
    await row(aude, "Free shell").getByRole("button", { name: "More for" }).click();
    await aude.getByRole("button", { name: "Pause" }).click();
    await aude.getByLabel("Why").fill("One moment.");
    await aude.locator("dialog").getByRole("button", { name: "Pause" }).click();
    page("olga");
    await olga.getByText("Paused", { exact: true }).waitFor();
    await shot(olga, "people-paused");
    page("aude");
    await row(aude, "Free shell").getByText("Paused").waitFor();
    await row(aude, "Free shell").getByRole("button", { name: "More for" }).click();
    await aude.getByRole("button", { name: "Resume" }).click();
    page("olga");
    await olga.getByText("Paused", { exact: true }).waitFor({ state: "detached" });
    page("aude");
    await row(aude, "Free shell").getByRole("link", { name: "Watch" }).click();
    await aude.getByText("You watch").waitFor();
    await olga.bringToFront();
    await olga.locator(".sink").focus();
    await focused(olga);
    await olga.keyboard.type("clear; echo seen-by-aude\n");
    await shows(aude, "^seen-by-aude");
    await olga.getByRole("button", { name: "2 people are here" }).waitFor();
    await aude.keyboard.type("echo not-from-aude\n");
    await shot(aude, "people-watching");
    await olga.keyboard.type("clear; echo after-that\n");
    await shows(olga, "^after-that");
    assert.doesNotMatch(await olga.locator(".sr pre").textContent(), /not-from-aude/);
    await aude.getByRole("button", { name: "Leave" }).click();
  });

  test("a link for one person, once: she helps with keys of her own", async () => {
    const olga = page("olga");
    await olga.getByRole("button", { name: "Share this session" }).click();
    await olga.getByText("To help (keys and mouse)").click();
    await olga.getByRole("button", { name: "Make a link" }).click();
    const link = await olga.getByLabel("Link", { exact: true }).inputValue();
    await shot(olga, "people-share");
    await olga.locator("dialog").getByRole("button", { name: "Close" }).click();
    const sonja = page("sonja");
    await sonja.goto(link);
    await sonja.getByRole("button", { name: "Join" }).click();
    await sonja.waitForURL(new RegExp(`/session/${session}\\?role=helper`));
    await focused(sonja);
    await sonja.getByText("You help").waitFor();
    await sonja.keyboard.type("clear; echo from-sonja\n");
    await shows(olga, "^from-sonja");
    await shot(sonja, "people-helping");
    const apollo = page("apollo");
    await apollo.goto(link);
    await apollo.getByRole("button", { name: "Join" }).click();
    await apollo.locator("[role=alert]").first().waitFor();
    await shot(apollo, "people-link-used");
    people.apollo.problems.splice(0); // the refusal itself
    await apollo.goto(`${g.url}/connections`);
  });

  test("taken over, then ended with a reason: everybody is told", async () => {
    const aude = page("aude");
    await aude.goto(`${g.url}/live`);
    await row(aude, "Free shell").getByRole("button", { name: "More for" }).click();
    await aude.getByRole("link", { name: "Take over" }).click();
    await focused(aude);
    await aude.keyboard.type("clear; echo aude-has-it\n");
    await shows(aude, "^aude-has-it");
    const olga = page("olga");
    await olga.getByText("Taken over").waitFor();
    await shot(olga, "people-taken-over");
    page("aude");
    await aude.goto(`${g.url}/live`);
    await row(aude, "Free shell").getByRole("button", { name: "End", exact: true }).click();
    await aude.getByLabel("Reason, shown to the person").fill("Enough for today.");
    await aude.locator("dialog").getByRole("button", { name: "End" }).click();
    await page("sonja").getByText("Enough for today.").waitFor();
    await shot(page("sonja"), "people-ended");
    page("aude");
    await aude.getByText("Nobody is connected").waitFor();
  });

  test("a lock ends what runs and refuses what comes, until it is lifted", async () => {
    const olga = page("olga");
    await shell(olga, "free");
    const aude = page("aude");
    const sub = await olga.evaluate(() => fetch("/api/me").then((r) => r.json()).then((m) => m.sub));
    await aude.goto(`${g.url}/locks`);
    await aude.getByRole("button", { name: "Lock", exact: true }).click();
    await aude.getByLabel("Person (sub)").fill(sub);
    await aude.getByLabel("Reason").fill("Lost laptop");
    await aude.locator("dialog").getByRole("button", { name: "Lock", exact: true }).click();
    await aude.getByText("Lost laptop").waitFor();
    await accessible(aude, "locks");
    await shot(aude, "people-locks");
    page("olga");
    await olga.locator(".veil [role=alert]").or(olga.getByRole("link", { name: "Sign in" })).first().waitFor();
    await shot(olga, "people-locked");
    await olga.goto(`${g.url}/connections`);
    await olga.getByText("Your access is locked.").waitFor();
    await shot(olga, "people-locked-out");
    people.olga.problems.splice(0); // refusals while locked
    page("aude");
    await aude.getByRole("button", { name: "Lift" }).click();
    await aude.getByLabel("Reason").fill("Found it");
    await aude.locator("dialog").getByRole("button", { name: "Lift" }).click();
    await aude.getByText("Nothing is locked").waitFor();
    page("olga");
    await olga.reload();
    await olga.getByText("Free shell").waitFor();
  });

  test("search: a hit opens the replay at its moment; a hold is set on it", async () => {
    const aude = page("aude");
    await aude.goto(`${g.url}/recordings`);
    await until("a hit", async () => {
      await aude.getByLabel("Search in all recordings").fill("");
      await aude.getByLabel("Search in all recordings").fill("from-sonja");
      await aude.locator(".hits a").or(aude.getByText("is nowhere")).first().waitFor();
      return (await aude.locator(".hits a").count()) > 0;
    }, 90_000);
    await accessible(aude, "hits");
    await shot(aude, "people-search");
    await aude.locator(".hits a", { hasText: "from-sonja" }).first().click();
    await aude.waitForURL(new RegExp(`/replay/${session}\\?t=`));
    const t = Number(new URL(aude.url()).searchParams.get("t"));
    assert.ok(t > 1, aude.url());
    await aude.waitForFunction((ms) => Number(document.querySelector(".picture")?.dataset.moment) > ms, t * 1000 - 5000);
    await aude.locator(".line[aria-current]", { hasText: "from-sonja" }).first().waitFor();
    await shot(aude, "people-hit");
    await aude.getByRole("button", { name: "Evidence" }).click();
    await aude.getByRole("button", { name: "Legal hold" }).click();
    await aude.getByLabel("Reason").fill("Case 4711");
    await aude.getByRole("button", { name: "Set the hold" }).click();
    await aude.getByText("On hold", { exact: true }).or(aude.locator("dialog [role=alert]")).first().waitFor();
    await shot(aude, "people-hold");
  });

  test("signed out at Keycloak: every browser of hers is out, her session ends", async () => {
    const olga = page("olga");
    await olga.goto(`${g.url}/connections`);
    await olga.getByText("Free shell").waitFor();
    await shell(olga, "free");
    const second = await signIn("olga", "olga again");
    await second.getByText("Your open sessions").waitFor();
    g.keycloak.verb("logout", "olga");
    // Told, and not signed in again by itself while Keycloak still ends what was there.
    await second.getByText("Your sign-in was ended.").waitFor();
    await shot(second, "people-out");
    const first = page("olga");
    await first.goto(`${g.url}/connections`);
    await first.getByText("Your sign-in was ended.").waitFor();
    await shot(first, "people-out-session");
    await until("the end of the session", () => /"activity_name": ?"session-end"/.test(g.audit()));
    for (const name of ["olga", "olga again"]) people[name].problems.splice(0); // refusals after it
  });

  test("signing out here signs out there", async () => {
    const apollo = page("apollo");
    await apollo.getByRole("button", { name: /Signed in as/ }).click();
    await apollo.getByRole("button", { name: "Sign out" }).click();
    await apollo.waitForURL((url) => !/approvals|connections/.test(url.pathname));
    await apollo.goto(`${g.url}/auth/login?to=%2F`);
    await apollo.locator("#username").waitFor(); // Keycloak does not know him any more either
    people.apollo.problems.splice(0);
  });
});
