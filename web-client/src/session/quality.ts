// How good the line is, in bars: by round trip, and by how long a frame takes to be shown here.
export function level(roundTrip: number, lag: number | null): 1 | 2 | 3 {
  const ms = Math.max(roundTrip, (lag ?? 0) * 2);
  return ms < 80 ? 3 : ms < 220 ? 2 : 1;
}
