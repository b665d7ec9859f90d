// Times as a promise's row says them.

/** The 50th and 99th percentile and the greatest of times in ms, as text. */
export function percentilesMs(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (${times.length} times)`;
}
