// A whole real gateway for one test file: a private sshd as the target (tests/parts/sshd.sh), the five
// programs of build folder B with state of their own in a temporary folder, sign-in by link.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, root, until } from "./browser.mjs";

const reserved = []; // names that keep ports ours until this process ends

/** A port of loopback, as free_port() of tests/it/ports.py gives them: not of the range where the
 * kernel finds source ports, nor one that another test has kept. */
export const freePort = async () => {
  const listen = (...where) =>
    new Promise((resolve) => {
      const s = createServer().unref();
      s.once("error", () => resolve(null)).listen(...where, () => resolve(s));
    });
  const [low, high] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/).map(Number);
  for (;;) {
    let port = 10000 + randomInt(24535);
    if (port >= 30000) port += 31000; // then 61000 to 65534
    if (port === 10080 || (port >= low && port <= high)) continue;
    if (readFileSync("/proc/net/unix", "latin1").includes(`@guac-test-port-${port}`)) continue;
    const name = await listen(`\0guac-test-port-${port}`);
    const s = name && (await listen(port, "0.0.0.0"));
    if (s) {
      reserved.push(name);
      await new Promise((resolve) => s.close(resolve));
      return port;
    }
    name?.close();
  }
};

const listens = (port) =>
  new Promise((resolve) => {
    const s = createConnection(port, "127.0.0.1");
    s.on("connect", () => { s.destroy(); resolve(true); });
    s.on("error", () => resolve(false));
  });

// Shell assignments of a part's DIR/env.
export function assignments(file) {
  const text = execFileSync("sh", ["-c", `set -a; . "$1"; env -0`, "sh", file], { env: {} }).toString();
  return Object.fromEntries(text.split("\0").filter(Boolean).map((l) => [l.slice(0, l.indexOf("=")), l.slice(l.indexOf("=") + 1)]));
}

export class Gateway {
  programs = new Map();

  static missing(...parts) {
    for (const p of ["guacd", "guacd-session", "guac-proxy", "guac-authd", "guac-recorder", "guac-evidence", "backends/ssh.so", "web/index.html"])
      if (!existsSync(join(build, p))) return `${p} is not in ${build}: make B=${build}`;
    for (const part of ["sshd", ...parts]) {
      try {
        execFileSync(join(root, `tests/parts/${part}.sh`), ["check"], { stdio: "pipe" });
      } catch (e) {
        return `the ${part} part is missing: ${e.stderr}`;
      }
    }
    return "";
  }

  // conf: more lines of authd's configuration; people: the real Keycloak's, in place of a link.
  async start({ people = false, conf = [] } = {}) {
    const g = this;
    g.state = mkdtempSync(join(tmpdir(), "gw-"));
    g.port = await freePort();
    g.url = `http://127.0.0.1:${g.port}`;
    for (const d of ["run/s", "log", "keys", "connections", "recordings", "spool"]) mkdirSync(join(g.state, d), { recursive: true, mode: 0o700 });
    execFileSync(join(root, "tests/parts/sshd.sh"), ["start", join(g.state, "sshd")], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    g.ssh = assignments(join(g.state, "sshd/env"));
    writeFileSync(join(g.state, "keys/recorder"), randomBytes(32).toString("base64"), { mode: 0o600 });
    g.connection("shell", { title: "Test shell", secret: { username: g.ssh.SSHD_USER, "private-key": readFileSync(g.ssh.SSHD_KEY_ED25519) } });
    g.store = `folder:${join(g.state, "recordings")}`;
    const run = join(g.state, "run");
    writeFileSync(join(g.state, "authd.conf"), [
      `run = ${run}`, `folder = ${join(g.state, "connections")}`, `public-url = ${g.url}`, "create-keys = yes",
      `cookie-keys = ${join(g.state, "keys/cookie")}`, `gateway-key = ${join(g.state, "keys/gateway.pem")}`,
      `audit-file = ${join(g.state, "log/audit.jsonl")}`, ...(people ? g.#keycloak() : ["dev-link = yes", "dev-user = Anna Example", "dev-roles = operator auditor"]),
      "auditor-roles = auditor", "address-allow = 127.0.0.1 ::1", ...conf, "",
    ].join("\n"));
    g.commands = {
      recorder: ["guac-recorder", "--run", run, "--store", g.store, "--spool", join(g.state, "spool"), "--secret-file", join(g.state, "keys/recorder")],
      evidence: ["guac-evidence", "serve", "--run", run, "--store", g.store, "--exports", join(g.state, "exports")],
      guacd: ["guacd", "-f", "--socket", join(run, "guacd.sock"), "--run", run],
      authd: ["guac-authd", "--config", join(g.state, "authd.conf")],
      proxy: ["guac-proxy", "--run", run, "--web", join(build, "web"), "--listen", `127.0.0.1:${g.port}`, "--admin-listen", `127.0.0.1:${await freePort()}`],
    };
    for (const name of ["recorder", "evidence", "guacd"]) g.launch(name);
    for (const name of ["recorder.sock", "evidence.sock", "guacd.sock"]) await g.up(name, () => existsSync(join(run, name)));
    g.launch("authd");
    await g.up("authd.sock", () => existsSync(join(run, "authd.sock")));
    g.launch("proxy");
    await g.up("the page", () => listens(g.port));
    return g;
  }

  // The real Keycloak (tests/parts/keycloak.sh) and what authd has to know of it.
  #keycloak() {
    const part = join(root, "tests/parts/keycloak.sh"), dir = join(this.state, "keycloak");
    execFileSync(part, ["start", dir], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    this.keycloak = assignments(join(dir, "env"));
    this.keycloak.verb = (verb, ...words) => execFileSync(part, [verb, dir, ...words], { stdio: "pipe" }).toString();
    this.keycloak.verb("backchannel", `${this.url}/auth/backchannel`);
    writeFileSync(join(this.state, "keys/client"), this.keycloak.KEYCLOAK_CLIENT_SECRET, { mode: 0o600 });
    return [`oidc-issuer = ${this.keycloak.KEYCLOAK_ISSUER}`, `oidc-client = ${this.keycloak.KEYCLOAK_CLIENT}`, `oidc-secret = ${join(this.state, "keys/client")}`];
  }

  // Real desktops (tests/parts/vnc.sh), once for this gateway.
  desktops(types = "None") {
    const part = join(root, "tests/parts/vnc.sh"), dir = join(this.state, "vnc");
    execFileSync(part, ["start", dir, "--types", types, "--geometry", "1024x700"], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    this.vnc = assignments(join(dir, "env"));
    this.vnc.run = (type, ...command) => execFileSync(part, ["run", dir, type, ...command], { stdio: "pipe" }).toString();
    return this.vnc;
  }

  // A real xrdp (tests/parts/xrdp.sh), once for this gateway. run: an X client on the session's screen;
  // user: a command where the user sees his drive.
  rdp() {
    const part = join(root, "tests/parts/xrdp.sh"), dir = join(this.state, "xrdp");
    execFileSync(part, ["start", dir], { env: { ...process.env, PART_OWNER: String(process.pid) }, stdio: "pipe" });
    this.xrdp = assignments(join(dir, "env"));
    for (const verb of ["run", "user"]) this.xrdp[verb] = (...command) => execFileSync(part, [verb, dir, ...command], { stdio: "pipe" }).toString();
    return this.xrdp;
  }

  // A connection to the test's sshd; `spec` holds further lines of YAML (indented by two).
  connection(name, { title = name, secret = null, spec = "", hostKey = `hostKey: { keys: ["${this.ssh.SSHD_HOSTKEY_ED25519}"], unknown: refuse }`, port = this.ssh.SSHD_PORT, host = "127.0.0.1", roles = "operator", protocol = "ssh" } = {}) {
    if (secret)
      for (const [key, value] of Object.entries(secret)) {
        const folder = join(this.state, "connections/secrets/test", name);
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(join(folder, key), value, { mode: 0o600 });
        chmodSync(join(folder, key), 0o600);
      }
    writeFileSync(join(this.state, "connections", `${name}.yaml`), `apiVersion: catalyst.openova.io/v1alpha1
kind: GuacamoleConnection
metadata:
  namespace: test
  name: ${name}
  annotations: { catalyst.openova.io/title: "${title}" }
spec:
  protocol: ${protocol}
  hostname: ${host}
  port: ${port}
  audience: { keycloakRoles: [${roles}] }
  recording: { enabled: true, bucket: recordings, retentionDays: 30 }
  ${protocol === "ssh" ? hostKey : ""}
  ${secret ? `credentials: { secretRef: { name: ${name} } }` : protocol === "ssh" ? "credentials: { from: prompt }" : ""}
${spec}`);
  }

  launch(name) {
    const [program, ...args] = this.commands[name];
    const log = openSync(join(this.state, "log", `${name}.log`), "a");
    const child = spawn(join(build, program), args, { stdio: ["ignore", log, log] });
    this.programs.set(name, child);
    return child;
  }

  kill(name, signal = "SIGKILL") {
    this.programs.get(name)?.kill(signal);
  }

  audit() {
    return readFileSync(join(this.state, "log/audit.jsonl"), "utf8");
  }

  log(name) {
    return readFileSync(join(this.state, "log", `${name}.log`), "utf8");
  }

  async up(what, check) {
    await until(what, () => {
      for (const [name, child] of this.programs)
        if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode} while starting:\n${this.log(name).slice(-2000)}`);
      return check();
    });
  }

  link() {
    return execFileSync(join(build, "guac-authd"), ["link", "--config", join(this.state, "authd.conf")]).toString().trim();
  }

  evidence(...args) {
    return execFileSync(join(build, "guac-evidence"), args, { stdio: "pipe" }).toString();
  }

  async stop() {
    for (const name of ["proxy", "authd", "guacd", "evidence", "recorder"]) {
      const child = this.programs.get(name);
      if (!child || child.exitCode !== null || child.signalCode) continue;
      child.kill("SIGTERM");
      await until(`the end of ${name}`, () => child.exitCode !== null || child.signalCode, 20_000).catch(() => child.kill("SIGKILL"));
    }
    try {
      for (const part of ["vnc", "xrdp", "keycloak"]) if (this[part]) execFileSync(join(root, `tests/parts/${part}.sh`), ["stop", join(this.state, part)], { stdio: "pipe" });
      execFileSync(join(root, "tests/parts/sshd.sh"), ["stop", join(this.state, "sshd")], { stdio: "pipe" });
    } catch { /* it goes with us */ }
    if (!process.env.KEEP_STATE) rmSync(this.state, { recursive: true, force: true });
  }
}
