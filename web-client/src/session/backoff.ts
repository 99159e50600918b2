// When to try again: doubling from half a second to eight, with jitter so that a whole floor of
// people does not come back in the same instant.

export function delay(attempt: number, random = Math.random()): number {
  const base = Math.min(500 * 2 ** attempt, 8000);
  return Math.round(base * (0.7 + 0.6 * random));
}
