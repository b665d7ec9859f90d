// Reads the RateLimit fields strictly: exactly the form that SPEC section 5 shows, nothing around it.
import type { Response } from './acceptance-http.ts';

/** What is left of each limit and for how many seconds. @throws Error where the field is not of the form */
export function readRateLimit(response: Response): Map<string, { r: number; t: number }> {
  const items = readItems(response, 'ratelimit', /^"([^"]+)";r=(\d+);t=([1-9]\d*)$/);
  return new Map(items.map(([name, r, t]) => [name, { r, t }]));
}

/** The quota of each limit and its window in seconds. @throws Error where the field is not of the form */
export function readRateLimitPolicy(response: Response): Map<string, { q: number; w: number }> {
  const items = readItems(response, 'ratelimit-policy', /^"([^"]+)";q=([1-9]\d*);w=([1-9]\d*)$/);
  return new Map(items.map(([name, q, w]) => [name, { q, w }]));
}

function readItems(response: Response, header: string, form: RegExp): [name: string, first: number, second: number][] {
  const value = response.header(header);
  if (value === undefined) throw new Error(`no ${header} in the answer ${response.status}: ${response.text()}`);
  return value.split(', ').map((item) => {
    const match = form.exec(item);
    if (!match) throw new Error(`not of the form: ${header}: ${value}`);
    return [match[1] as string, Number(match[2]), Number(match[3])];
  });
}
