// A form that is sent once: busy while it is under way; a failure stays in the form, with its words.
import { useState } from "preact/hooks";

export function useSubmit<T>(send: () => Promise<T>, done: (answer: T) => void) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    send().then(done, (problem: unknown) => {
      setError(problem);
      setBusy(false);
    });
  };
  return { busy, error, submit };
}
