// What the session says about itself beside the picture: pipe `guac.state`, JSON lines, as
// guacd/session/state.h writes them. Each line holds what changed; unknown members are skipped, so
// an older page lives with a newer session.
import type { Question } from "./prompts.ts";

export interface Person {
  user: number;
  name: string;
  role: string;
}

export interface RemoteState {
  paused: string[]; // recorder, moderator
  why: string;
  progress: { key: string; value: string }; // what the target's side is doing: connecting, login, …
  endsAt: number; // Unix ms when the session ends by itself, 0: no limit known
  endReason: string; // duration, idle, approval, restart
  warn: boolean;
  recording: boolean | null;
  role: string;
  readOnly: boolean;
  copy: boolean; // from the target to the person
  paste: boolean;
  clipboardMax: number; // bytes, 0: not told
  users: Person[];
  message: string; // from a moderator
  questions: Question[];
  asked: number; // counts the prompts that are over
}

export function emptyState(): RemoteState {
  return {
    paused: [], why: "", progress: { key: "", value: "" }, endsAt: 0, endReason: "", warn: false, recording: null,
    role: "owner", readOnly: false, copy: true, paste: true, clipboardMax: 0, users: [],
    message: "", questions: [], asked: 0,
  };
}

const text = (v: unknown, max = 2000): string => (typeof v === "string" ? v.slice(0, max) : "");
const object = (v: unknown): Record<string, unknown> =>
  v && typeof v === "object" && !Array.isArray(v) ? (v as Record<string, unknown>) : {};
const list = (v: unknown): unknown[] => (Array.isArray(v) ? v.slice(0, 64) : []);

export function applyState(before: RemoteState, line: Record<string, unknown>, now: number): RemoteState {
  const s = { ...before };
  if ("paused" in line) {
    s.paused = list(line["paused"]).map((v) => text(v, 32));
    s.why = text(line["why"]);
  }
  if (typeof line["left"] === "number") {
    s.endsAt = now + Math.max(0, line["left"]);
    s.endReason = text(line["reason"], 32);
    s.warn = line["warn"] === true;
  }
  if (typeof line["recording"] === "boolean") s.recording = line["recording"];
  if (typeof line["role"] === "string") s.role = text(line["role"], 32);
  if (typeof line["readOnly"] === "boolean") s.readOnly = line["readOnly"];
  const policy = object(line["policy"]);
  if (typeof policy["copy"] === "boolean") s.copy = policy["copy"];
  if (typeof policy["paste"] === "boolean") s.paste = policy["paste"];
  if (typeof policy["clipboardMax"] === "number") s.clipboardMax = policy["clipboardMax"];
  if ("users" in line)
    s.users = list(line["users"]).map((v) => {
      const u = object(v);
      return { user: Number(u["user"]) || 0, name: text(u["name"], 256), role: text(u["role"], 32) };
    });
  if ("message" in line) s.message = text(line["message"]);
  for (const [key, value] of Object.entries(object(line["state"])))
    if (key !== "bell") s.progress = { key: text(key, 32), value: text(value) };
  if (line["ask"]) {
    const q = object(line["ask"]);
    const name = text(q["name"], 64);
    const choices = list(q["choices"]).map((c) => text(c, 256)).slice(0, 64);
    s.questions = [
      ...s.questions.filter((old) => old.name !== name),
      { name, text: text(q["text"], 4000), echo: q["echo"] === true, ...(choices.length ? { choices } : {}) },
    ].slice(-16);
  }
  if ("asked" in line) {
    s.questions = [];
    s.asked++;
  }
  return s;
}
