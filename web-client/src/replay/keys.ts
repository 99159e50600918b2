// The player's keys. Pure: an event's members in, a command out.

export type Command =
  | { do: "toggle" | "idle" | "text" | "link" }
  | { do: "by"; ms: number }
  | { do: "part"; part: number }
  | { do: "frame" | "speed" | "event"; step: 1 | -1 };

export function replayKey(
  e: { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean },
  onButton: boolean,
): Command | null {
  if (e.ctrlKey || e.metaKey || e.altKey) return null;
  if (/^[0-9]$/.test(e.key)) return { do: "part", part: Number(e.key) / 10 };
  switch (e.key) {
    case " ": return onButton ? null : { do: "toggle" };
    case "k": return { do: "toggle" };
    case "j": return { do: "by", ms: -10_000 };
    case "l": return { do: "by", ms: 10_000 };
    case "ArrowLeft": return { do: "by", ms: -5000 };
    case "ArrowRight": return { do: "by", ms: 5000 };
    case ",": return { do: "frame", step: -1 };
    case ".": return { do: "frame", step: 1 };
    case "<": return { do: "speed", step: -1 };
    case ">": return { do: "speed", step: 1 };
    case "n": return { do: "event", step: 1 };
    case "p": return { do: "event", step: -1 };
    case "Home": return { do: "part", part: 0 };
    case "End": return { do: "part", part: 1 };
    case "i": return { do: "idle" };
    case "t": return { do: "text" };
    case "c": return { do: "link" };
    default: return null;
  }
}
