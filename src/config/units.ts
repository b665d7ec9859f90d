// The units a person writes: durations, sizes and dates.

const DURATION = /^(\d{1,15})(ms|s|m|h|d)$/;
const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE = /^(\d{1,15})(B|KiB|MiB|GiB)$/;
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** `250ms`, `10s`, `5m`, `24h`, `30d` in ms; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match ? Number(match[1]) * MS[match[2] as keyof typeof MS] : undefined;
}

/** `512B`, `16KiB`, `10MiB`, `1GiB` in bytes; undefined for anything else. */
export function sizeBytes(text: string): number | undefined {
  const match = SIZE.exec(text);
  return match ? Number(match[1]) * BYTES[match[2] as keyof typeof BYTES] : undefined;
}

/** A date's last moment (UTC), or a date with time and zone, in ms since the epoch; undefined for anything else. */
export function expiryMs(text: string): number | undefined {
  if (DATE.test(text)) return endOfDay(text);
  if (!DATE_TIME.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

function endOfDay(date: string): number | undefined {
  const start = Date.parse(`${date}T00:00:00Z`);
  // Date.parse rolls 2027-02-30 over to March; the round trip tells.
  if (Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== date) return undefined;
  return start + MS.d;
}
