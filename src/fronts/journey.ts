// The account of one request, written down while it is on its way and handed to the recorder once, when it
// has ended.
import type { Denial } from '../core/decision.ts';
import { fieldValue } from '../core/fields.ts';
import type { Recorder } from '../core/ports.ts';
import type { Code, Outcome, Reason } from '../core/reasons.ts';
import type { RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { traceIdOf } from './request-facts.ts';

/** What forwarding gave: see forward/forward.ts and forward/upgrade.ts. */
interface ForwardedFacts {
  readonly kind: 'answered' | 'failed';
  readonly status?: number;
  readonly bytesIn: number;
  readonly bytesOut?: number;
  /** To the first byte of the upstream's answer, ms. */
  readonly upstreamMs?: number | null;
  readonly clientGone?: boolean;
  /** Null where the client went away before there was an answer. */
  readonly headWrittenAt?: number | null;
  readonly detail?: string | null;
}

/** What a client's own doing made of a request that had been let through. */
const CLIENTS_FAULT: ReadonlySet<Code> = new Set<Code>(['body_too_large', 'request_timeout', 'ambiguous_request']);
/** A limit of which less than a tenth is left. */
const NEAR_LIMIT = 0.1;
/** How the log tells a request that ended because of its key from one that was refused. */
const ENDED = 'ended while open';
/** What nginx logs where the client went away before its answer began. */
export const CLIENT_GONE = 499;

export class Journey {
  readonly requestId: string;
  readonly beganAtMs: number;
  method = '';
  readonly #recorder: Recorder;
  readonly #rawHeaders: readonly string[];
  readonly #peer: string;
  readonly #startedAt = performance.now();
  #state: RequestState | null = null;
  #outcome: Outcome = 'denied';
  #reason: Reason = 'internal_error';
  #denial: Denial | null = null;
  #status = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #upstream: string | null = null;
  #upstreamMs: number | null = null;
  #overheadMs: number | null = null;
  #detail: string | null = null;
  #hasEnded = false;

  constructor(recorder: Recorder, requestId: string, rawHeaders: readonly string[], peer: string, beganAtMs: number) {
    this.#recorder = recorder;
    this.requestId = requestId;
    this.#rawHeaders = rawHeaders;
    this.#peer = peer;
    this.beganAtMs = beganAtMs;
    recorder.began();
  }

  decided(state: RequestState, { outcome, denial }: Decision): void {
    this.#state = state;
    this.#outcome = outcome;
    this.#denial = denial;
    this.#reason = denial?.reason ?? state.admission;
    this.#detail = denial?.detail ?? null;
  }

  /**
   * An answer of ours was given. What was let through stays `allowed` where the upstream then failed.
   * @param bodyBytes of the answer, which to HEAD goes without its body
   */
  refused(denial: Denial, status: number, bodyBytes: number): void {
    if (this.#upstream === null || CLIENTS_FAULT.has(denial.code)) this.#outcome = 'denied';
    this.#reason = denial.reason;
    // What ended an open request has said so already.
    if (this.#denial !== denial) this.#detail = denial.detail ?? null;
    this.#denial = denial;
    this.#status = status;
    this.#bytesOut = this.method === 'HEAD' ? 0 : bodyBytes;
    this.#overheadMs ??= performance.now() - this.#startedAt;
  }

  /** It was let through, and would now be denied: it ended before its time, whatever status the client had got. */
  ended(denial: Denial): void {
    this.#outcome = 'denied';
    this.#reason = denial.reason;
    this.#denial = denial;
    this.#detail = denial.detail === undefined ? ENDED : `${ENDED}: ${denial.detail}`;
  }

  forwarding(upstream: string): void {
    this.#upstream = upstream;
    this.passedOn();
  }

  /** What it takes from now on is not ours. */
  passedOn(): void {
    this.#overheadMs = performance.now() - this.#startedAt;
  }

  forwarded({ status, bytesIn, bytesOut, upstreamMs, clientGone, headWrittenAt, detail }: ForwardedFacts): void {
    this.#status = clientGone && headWrittenAt === null ? CLIENT_GONE : (status ?? 0);
    this.#bytesIn = bytesIn;
    this.#bytesOut = bytesOut ?? 0;
    this.#upstreamMs = upstreamMs ?? null;
    this.#detail ??= detail ?? null;
  }

  /** So much of its body was read before it was cut short. */
  received(bytesIn: number): void {
    this.#bytesIn = bytesIn;
  }

  /** Records the request; only the first call counts. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const state = this.#state;
    const durationMs = performance.now() - this.#startedAt;
    this.#recorder.ended({
      requestId: this.requestId,
      traceId: traceIdOf(this.#rawHeaders),
      client: state?.client?.text ?? null,
      peer: this.#peer,
      route: state?.route?.name ?? null,
      method: this.method,
      path: state?.target.path ?? null,
      status: this.#status,
      outcome: this.#outcome,
      reason: this.#reason,
      keyId: state?.caller?.keyId ?? null,
      owner: state?.caller?.owner ?? null,
      missing: this.#denial?.missing ?? null,
      violated: this.#denial?.violated ?? null,
      durationMs,
      overheadMs: this.#overheadMs ?? durationMs,
      upstreamMs: this.#upstreamMs,
      upstream: this.#upstream,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      userAgent: fieldValue(this.#rawHeaders, 'user-agent') ?? null,
      detail: this.#detail,
      nearLimits: state ? nearLimits(state) : null,
    });
  }
}

function nearLimits({ limits }: RequestState): readonly string[] | null {
  if (limits.length === 0) return null;
  const near = limits.filter(({ remaining, quota }) => remaining < quota * NEAR_LIMIT);
  return near.length === 0 ? null : near.map((limit) => limit.name);
}
