// What is counted of one route: requests by method and status, decisions by outcome and reason, durations.
import type { RequestRecord } from '../core/ports.ts';
import { OUTCOMES, REASONS, type Outcome, type Reason } from '../core/reasons.ts';
import { Buckets, REQUEST_SCALE } from './buckets.ts';
import type { Sample } from './published.ts';

/** The `method` label: a closed set, else `other`, so that no client can make series. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const;

export class RouteCounts {
  /** By method and status; only pairs that occurred are there. */
  readonly #requests = new Map<number, Tally>();
  /** By outcome and reason. */
  readonly #decisions = new Float64Array(OUTCOMES.length * REASONS.length);
  readonly #route: string;
  readonly durations: Buckets;

  constructor(route: string) {
    this.#route = route;
    this.durations = new Buckets(REQUEST_SCALE, { route });
  }

  count(record: RequestRecord): void {
    const pair = methodIndex(record.method) * STATUSES + statusIndex(record.status);
    const tally = this.#requests.get(pair);
    if (tally === undefined) this.#requests.set(pair, { count: 1 });
    else tally.count++;
    this.#decisions[OUTCOME_INDEX[record.outcome] * REASONS.length + REASON_INDEX[record.reason]]!++;
    this.durations.observeMs(record.durationMs);
  }

  *requests(): Iterable<Sample> {
    const route = this.#route;
    for (const [pair, { count }] of this.#requests) {
      const method = METHODS[Math.floor(pair / STATUSES)]!;
      yield { labels: { route, method, status: statusText(pair % STATUSES) }, value: count };
    }
  }

  *decisions(): Iterable<Sample> {
    const route = this.#route;
    const counts = this.#decisions;
    for (let at = 0; at < counts.length; at++) {
      const value = counts[at]!;
      if (value === 0) continue;
      const outcome = OUTCOMES[Math.floor(at / REASONS.length)]!;
      const reason = REASONS[at % REASONS.length]!;
      yield { labels: { route, outcome, reason }, value };
    }
  }
}

interface Tally {
  count: number;
}

const METHOD_INDEX = new Map<string, number>(METHODS.map((method, at) => [method, at]));
const OUTCOME_INDEX = indexed<Outcome>(OUTCOMES);
const REASON_INDEX = indexed<Reason>(REASONS);

/** Statuses 100 to 599, and one place for what is none of them. */
const STATUSES = 501;
const NO_STATUS = 500;

function methodIndex(method: string): number {
  return METHOD_INDEX.get(method) ?? METHODS.length - 1;
}

function statusIndex(status: number): number {
  return Number.isInteger(status) && status >= 100 && status <= 599 ? status - 100 : NO_STATUS;
}

function statusText(index: number): string {
  return index === NO_STATUS ? 'other' : String(index + 100);
}

function indexed<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, at) => [name, at])) as Record<Name, number>;
}
