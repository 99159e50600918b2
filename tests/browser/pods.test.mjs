// A pod from the page: what of the cluster is picked, by the keyboard alone and as far as the person's
// own rights show it, then a terminal in it, its recording and its replay. A real API server and node.
import { after, before, describe, test as nodeTest } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, focused, launch, open, pictured, root, shot, until } from "./lib/browser.mjs";
import { assignments, Gateway } from "./lib/gateway.mjs";

const missing = Gateway.missing("kubernetes");
if (missing && process.env.CI === "true") throw new Error(missing);

const part = join(root, "tests/parts/kubernetes.sh");
const rbac = "rbac.authorization.k8s.io";

// kubectl on a cluster of its own, with pods and the rights of people and of the gateway.
class Cluster {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "kb-"));
    execFileSync(part, ["start", this.folder], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    this.env = assignments(join(this.folder, "env"));
    this.kubectl("create", "namespace", "closed");
    const group = [{ kind: "Group", name: "oidc:operator", apiGroup: rbac }];
    this.apply(
      this.pod("single", "main"), this.pod("web-1", "main", "second"), this.pod("web-2", "main"),
      { apiVersion: `${rbac}/v1`, kind: "Role", metadata: { name: "work", namespace: "default" }, rules: [
        { apiGroups: [""], resources: ["pods/exec", "pods/attach"], verbs: ["get", "create"] },
        { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }] },
      { apiVersion: `${rbac}/v1`, kind: "RoleBinding", metadata: { name: "work", namespace: "default" }, subjects: group,
        roleRef: { apiGroup: rbac, kind: "Role", name: "work" } },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: "see" }, rules: [
        { apiGroups: [""], resources: ["namespaces"], verbs: ["list"] }] },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRoleBinding", metadata: { name: "see" }, subjects: group,
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "see" } },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: "imp" }, rules: [
        { apiGroups: [""], resources: ["users", "groups"], verbs: ["impersonate"] },
        { apiGroups: ["authentication.k8s.io"], resources: ["uids", "userextras/guacamole-session"], verbs: ["impersonate"] }] },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRoleBinding", metadata: { name: "imp" },
        subjects: [{ kind: "ServiceAccount", name: "gateway", namespace: "default" }],
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "imp" } },
    );
    this.token = join(this.folder, "token");
    writeFileSync(this.token, execFileSync(part, ["token", this.folder, "default", "gateway"]), { mode: 0o600 });
    this.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "pod/single", "pod/web-1", "pod/web-2");
  }

  pod(name, ...containers) {
    return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { hostNetwork: true, terminationGracePeriodSeconds: 1,
      containers: containers.map((c) => ({ name: c, image: this.env.KUBE_IMAGE, imagePullPolicy: "Never", command: ["sleep", "100000"] })) } };
  }

  kubectl(...words) {
    return execFileSync(this.env.KUBE_KUBECTL, ["--kubeconfig", this.env.KUBE_CONFIG, ...words], { stdio: "pipe" }).toString();
  }

  apply(...items) {
    const file = join(this.folder, "apply.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    this.kubectl("apply", "-f", file);
  }

  stop() {
    execFileSync(part, ["stop", this.folder], { stdio: "pipe" });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe("pods", { skip: missing || false }, () => {
  let g, k, browser, it, page;
  const connection = (name, title, kubernetes) => writeFileSync(join(g.state, "connections", `${name}.yaml`), `apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata: { namespace: test, name: ${name}, annotations: { catalyst.openova.io/title: "${title}" } }
spec:
  protocol: kubernetes
  audience: { keycloakRoles: [operator] }
  recording: { enabled: true, bucket: recordings, retentionDays: 30 }
  parameters: { enable-files: true }
  credentials: { from: kubernetes, kubernetes: impersonation }
  kubernetes: ${kubernetes}
`);

  before(async () => {
    k = new Cluster();
    g = await new Gateway().start({ conf: [`cluster-server = ${k.env.KUBE_SERVER}`, `cluster-ca = ${k.env.KUBE_CA}`, `cluster-token = ${k.token}`] });
    connection("pick", "Shop pods", "{ command: [sh], choose: [namespace, pod, container] }");
    connection("several", "Two containers", "{ namespace: default, pod: web-1, command: [sh] }");
    browser = await launch();
    it = await open(browser, { allow: [/403 \(Forbidden\)/] });
    page = it.page;
    await page.goto(g.link());
    await page.getByText("Shop pods").waitFor();
    await page.getByText("Two containers").waitFor();
  });
  after(async () => {
    await browser?.close();
    await g?.stop();
    k?.stop();
  });
  const test = (name, run) => nodeTest(name, pictured(() => page, name, run));
  const shows = (pattern) =>
    page.waitForFunction((p) => new RegExp(p, "m").test(document.querySelector(".sr pre")?.textContent ?? ""), pattern, { timeout: 60_000 });
  const field = () => page.locator(".picker input");
  // The options of one question, once it is that question and the cluster has answered.
  const offered = (step, ...names) => page.waitForFunction(({ step, names }) => {
    const list = document.querySelector(`.picker [role=listbox][data-step=${step}]`);
    const shown = [...(list?.querySelectorAll("[role=option] > :first-child") ?? [])].map((o) => o.textContent);
    return list && document.activeElement?.closest(".picker") && names.join() === shown.join();
  }, { step, names });

  test("namespace, pod and container by the keyboard; a terminal there, recorded and replayed", async () => {
    await page.getByText("Shop pods").click();
    await offered("namespace", "default"); // of all there are: the others let this person run nothing
    await accessible(page, "picker: namespaces");
    await page.keyboard.press("Enter");
    await offered("pod", "single", "web-1", "web-2");
    await shot(page, "pods-picker-pods");
    await accessible(page, "picker: pods");
    await page.keyboard.type("web");
    await offered("pod", "web-1", "web-2", "Take \u201cweb\u201d as typed");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await offered("container", "The pod\u2019s default container", "main", "second");
    await page.keyboard.press("Escape"); // back, and on again
    await offered("pod", "single", "web-1", "web-2");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await offered("container", "The pod\u2019s default container", "main", "second");
    await page.keyboard.type("sec");
    await offered("container", "second", "Take \u201csec\u201d as typed");
    await shot(page, "pods-picker-container");
    await page.keyboard.press("Enter");
    await focused(page);
    await page.waitForURL(/\/session\/[0-9a-f-]{36}$/);
    const id = page.url().split("/").at(-1);
    await shows("/ # *$");
    await page.keyboard.type("echo from-$((40+2)) >/tmp/said; cat /tmp/said");
    await page.keyboard.press("Enter");
    await shows("^from-42");
    await shot(page, "pods-terminal");
    assert.equal(k.kubectl("exec", "web-1", "-c", "second", "--", "cat", "/tmp/said").trim(), "from-42");
    await page.keyboard.type("exit");
    await page.keyboard.press("Enter");
    const stored = await until("the seal", async () => {
      const r = await page.request.get(`${g.url}/api/recordings/${id}`);
      const body = r.ok() ? await r.json() : {};
      return body.seal && body;
    });
    assert.equal(stored.state, "closed");
    await page.goto(`${g.url}/replay/${id}`);
    await page.getByText("from-42").first().waitFor({ state: "attached" }); // its transcript
    await page.waitForFunction(() => [...document.querySelectorAll("canvas")].some((c) => c.width > 300 && c.height > 200));
    await shot(page, "pods-replay");
    assert.deepEqual(it.problems.splice(0), []);
  });

  test("what the cluster refuses is said in its words, and one goes back", async () => {
    await page.goto(`${g.url}/session/new?connection=test%2Fpick`);
    await offered("namespace", "default");
    await page.keyboard.type("closed");
    await offered("namespace", "Take \u201cclosed\u201d as typed");
    await page.keyboard.press("Enter");
    await page.locator(".picker [role=alert]").getByText("cannot list resource").waitFor();
    await shot(page, "pods-picker-refused");
    await accessible(page, "picker: refused");
    await page.keyboard.press("Escape");
    await offered("namespace", "default");
    await page.keyboard.press("Escape");
    await page.waitForURL(`${g.url}/connections`);
    it.problems.splice(0);
  });

  test("several containers and none named: offered", async () => {
    await page.goto(`${g.url}/session/new?connection=test%2Fseveral`);
    const button = page.getByRole("dialog").getByRole("button", { name: "second", exact: true });
    await button.waitFor();
    await shot(page, "pods-which-container");
    await button.click();
    await focused(page);
    await shows("/ # *$");
    assert.deepEqual(it.problems.splice(0), []);
  });

  test("the pod's files: down, up, and cancelled on the way", async () => {
    const there = (line) => k.kubectl("exec", "web-1", "-c", "second", "--", "sh", "-c", line).trim();
    there("mkdir /tmp/f; cd /tmp/f; head -c 3000000 /dev/urandom >down.bin; truncate -s 16G endless.bin");
    await page.getByRole("button", { name: "Files" }).click();
    const entry = (name) => page.locator(".files button.entry", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });
    const transfer = (state, name) => page.locator(`.transfer.${state}`, { hasText: name });
    await entry("tmp").click();
    await entry("f").click();
    const [download] = await Promise.all([page.waitForEvent("download"), entry("down.bin").click()]);
    await transfer("done", "down.bin").waitFor();
    const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");
    assert.equal(sum(readFileSync(await download.path())), there("sha256sum </tmp/f/down.bin").slice(0, 64));
    await entry("endless.bin").click(); // so large that it is still on its way whenever one looks
    const progress = page.getByRole("progressbar", { name: "endless.bin" });
    await page.waitForFunction(() => [...document.querySelectorAll(".transfer.running progress")].some((p) => p.value > 0));
    assert.equal(await progress.getAttribute("max"), String(2 ** 34));
    await shot(page, "pods-files");
    await page.getByRole("button", { name: "Cancel: endless.bin" }).click();
    await transfer("cancelled", "endless.bin").waitFor();
    await until("tar ends", () => !/^tar$/m.test(there("cat /proc/[0-9]*/comm 2>/dev/null; true")));
    const bytes = randomBytes(3 << 20);
    await page.locator(".files input[type=file]").setInputFiles([{ name: "up ü.bin", mimeType: "application/octet-stream", buffer: bytes }]);
    await transfer("done", "up ü.bin").waitFor();
    assert.equal(there("sha256sum <'/tmp/f/up ü.bin'").slice(0, 64), sum(bytes));
    await entry("up ü.bin").waitFor();
    assert.deepEqual(it.problems.splice(0), []);
  });

  test("in German", async () => {
    const other = await open(browser, { locale: "de-DE", storageState: await it.context.storageState() });
    await other.page.goto(`${g.url}/session/new?connection=test%2Fpick`);
    await other.page.getByRole("heading", { name: "Wo in Shop pods?" }).waitFor();
    await other.page.getByText("default").waitFor();
    await shot(other.page, "pods-picker-german");
    await other.context.close();
  });
});
