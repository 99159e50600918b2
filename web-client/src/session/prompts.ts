// What a target asks before (or while) it lets a person in: names of parameters from `required`,
// and, for questions with words of their own (keyboard-interactive, an unknown host key), the words
// that came by `guac.state`. Answers go back as argv streams under the same names.

export interface Question {
  name: string;
  text: string;
  echo: boolean;
  choices?: string[]; // what may be answered; [] for anything
}

export interface Prompt {
  name: string;
  kind: "text" | "secret" | "choice";
  text: string; // the question's own words, "" for a plain parameter
  choices?: string[]; // one of these, when there are any
}

const secrets = /pass(word|phrase)|private-key|secret|token|pin$/i;

export const isSecret = (name: string): boolean => secrets.test(name);

export function promptsFor(names: readonly string[], questions: readonly Question[]): Prompt[] {
  return names.map((name) => {
    const asked = questions.find((q) => q.name === name);
    const text = asked?.text ?? "";
    if (isHostKey(name)) return { name, kind: "choice", text };
    const choices = asked?.choices?.length ? { choices: asked.choices } : {};
    return { name, kind: (asked ? !asked.echo : isSecret(name)) ? "secret" : "text", text, ...choices };
  });
}

export const isHostKey = (name: string): boolean => /host-?key|fingerprint/i.test(name);

// The part of a host key question that a person compares letter by letter.
export function fingerprint(text: string): string {
  return /(SHA256:[A-Za-z0-9+/=]{20,}|(?:[0-9a-f]{2}:){15,}[0-9a-f]{2}|\b[0-9a-f]{64}\b)/i.exec(text)?.[1] ?? "";
}
