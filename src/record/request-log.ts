// One line a request (SPEC section 6; docs/metrics.md has the table of fields). It is made from a
// RequestRecord alone, in which no key's text has a place; one that a client put in a path or a User-Agent is left out. The line is put together here and not by pino,
// which takes longer over twenty fields than the gateway takes to decide.
import { withoutKeyTexts } from '../core/api-key.ts';
import { BOUNDS } from '../core/bounds.ts';
import type { RequestRecord } from '../core/ports.ts';
import { ANSWERS } from '../core/reasons.ts';
import { type Log, type LogLevel, cleanText } from './log.ts';
import { timeText } from './time-text.ts';

/** `all`, or `denied`: nothing for what was let through, but what `observe` would have denied. */
export type LoggedRequests = 'all' | 'denied';

export class RequestLog {
  readonly #log: Log;
  /** May change with a reload. */
  requests: LoggedRequests;

  constructor(log: Log, requests: LoggedRequests) {
    this.#log = log;
    this.requests = requests;
  }

  write(record: RequestRecord): void {
    if (this.requests === 'denied' && record.outcome === 'allowed') return;
    const level = levelOf(record);
    if (this.#log.writes(level)) this.#log.append(requestLine(level, Date.now(), record));
  }
}

/** The fields in the order of the specification, then ours; always all of them but `detail`. */
function requestLine(level: LogLevel, atMs: number, record: RequestRecord): string {
  const detail = record.detail === null ? '' : `,"detail":${quoted(record.detail)}`;
  return (
    `{"time":"${timeText(atMs)}","level":"${level}","msg":"request"` +
    `,"requestId":${quoted(record.requestId)},"traceId":${quoted(record.traceId)}` +
    `,"client":${quoted(record.client)},"peer":${quoted(record.peer)}` +
    `,"route":${quoted(record.route)},"method":${quoted(record.method)},"path":${quoted(record.path)}` +
    `,"status":${number(record.status)},"outcome":"${record.outcome}","reason":"${record.reason}"` +
    `,"key":${quoted(record.keyId)},"owner":${quoted(record.owner)}` +
    `,"missing":${list(record.missing)},"limit":${quoted(record.violated && record.violated.join(','))}` +
    `,"overheadMs":${milliseconds(record.overheadMs)},"upstreamMs":${milliseconds(record.upstreamMs)}` +
    `,"bytesIn":${number(record.bytesIn)},"bytesOut":${number(record.bytesOut)}` +
    `,"userAgent":${quoted(record.userAgent)}${detail}}\n`
  );
}

/** Scopes that a line lists. */
const MOST_MISSING = 64;

/** What may not stand in a line as it is. */
const SPECIAL = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

function quoted(text: string | null): string {
  if (text === null) return 'null';
  const shown = withoutKeyTexts(text);
  const isPlain = shown.length <= BOUNDS.logFieldLength && !SPECIAL.test(shown);
  return isPlain ? `"${shown}"` : JSON.stringify(cleanText(shown));
}

function list(texts: readonly string[] | null): string {
  return texts === null ? 'null' : `[${texts.slice(0, MOST_MISSING).map(quoted).join(',')}]`;
}

function number(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}

/** To the microsecond. */
function milliseconds(value: number | null): string {
  return value === null ? 'null' : number(Math.round(value * 1000) / 1000);
}

/** `error` where the gateway or what is behind it failed, so that a log at level `error` still has these. */
function levelOf({ reason }: RequestRecord): LogLevel {
  return FAILURES.has(reason) ? 'error' : 'info';
}

const FAILURES: ReadonlySet<string> = new Set(
  Object.entries(ANSWERS).flatMap(([code, { status }]) => (status >= 500 ? [code] : [])),
);
