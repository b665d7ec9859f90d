// RFC 3339 times for log lines. Making one from a Date takes as long as the rest of a line, so what does not
// change within a second is kept.

/** A text such as `2026-05-04T03:02:01.009Z`; `atMs` is ms since the epoch. */
export function timeText(atMs: number): string {
  const second = Math.floor(atMs / 1000);
  if (second !== keptSecond) {
    keptText = new Date(second * 1000).toISOString().slice(0, -4);
    keptSecond = second;
  }
  const ms = Math.floor(atMs) - second * 1000;
  return `${keptText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
}

let keptSecond = Number.NaN;
let keptText = '';
