// A session's state as a component sees it: one redraw a frame at most, also while thousands of
// acks come in; a hidden page still runs.
import { useEffect, useState } from "preact/hooks";
import type { Session, View } from "./session.ts";

export function useView(session: Session): View {
  const [, redraw] = useState(0);
  useEffect(() => {
    let frame = 0;
    const stop = session.subscribe(() => {
      if (frame) return;
      const run = () => {
        frame = 0;
        redraw((n) => n + 1);
      };
      frame = document.hidden ? window.setTimeout(run, 50) : requestAnimationFrame(run);
    });
    redraw((n) => n + 1);
    return stop;
  }, [session]);
  return session.view;
}
