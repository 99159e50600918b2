// The recordings filter as the server wants it. Pure.
export interface Filter {
  person: string;
  connection: string;
  protocol: string;
  state: string;
  from: string; // as <input type="datetime-local"> gives it: local time
  to: string;
}

export const emptyFilter: Filter = { person: "", connection: "", protocol: "", state: "", from: "", to: "" };

export function filterQuery(f: Filter, after: string, limit = 100): string {
  const query = new URLSearchParams();
  for (const key of ["person", "connection", "protocol", "state"] as const) {
    const value = f[key].trim();
    if (value) query.set(key, value);
  }
  for (const key of ["from", "to"] as const) {
    const ms = f[key] ? new Date(f[key]).getTime() : NaN;
    if (Number.isFinite(ms)) query.set(key, String(ms));
  }
  if (after) query.set("after", after);
  query.set("limit", String(limit));
  return query.toString();
}
