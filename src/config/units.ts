// The units a person writes: durations, sizes and dates.

/** `250ms`, `10s`, `5m`, `24h`, `30d`. */
export const DURATION_PATTERN = /^(\d{1,15})(ms|s|m|h|d)$/;
/** `512B`, `16KiB`, `10MiB`, `1GiB`. */
export const SIZE_PATTERN = /^(\d{1,15})(B|KiB|MiB|GiB)$/;
/** `2027-12-31` or `2027-12-31T12:00:00Z`. */
export const EXPIRY_PATTERN = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** `250ms`, `10s`, `5m`, `24h`, `30d` in ms; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text);
  return match ? Number(match[1]) * MS[match[2] as keyof typeof MS] : undefined;
}

/** `512B`, `16KiB`, `10MiB`, `1GiB` in bytes; undefined for anything else. */
export function sizeBytes(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text);
  return match ? Number(match[1]) * BYTES[match[2] as keyof typeof BYTES] : undefined;
}

/** A date's end (UTC), or a date with time and zone, in ms since the epoch; undefined for anything else. */
export function expiryMs(text: string): number | undefined {
  if (!EXPIRY_PATTERN.test(text)) return undefined;
  const day = text.slice(0, 10);
  const start = Date.parse(`${day}T00:00:00Z`);
  // Date.parse may roll 2027-02-30 over to March; the round trip tells.
  if (Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== day) return undefined;
  if (text.length === day.length) return start + MS.d;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
