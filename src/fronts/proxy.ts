// The gateway's front: accept, decide, forward, and record every request that it is handed exactly once, whatever happened.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Address } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import { type Denial, deny } from '../core/decision.ts';
import { withoutSpaceAround } from '../core/fields.ts';
import { hostName } from '../core/host-port.ts';
import type { Policy } from '../core/policy.ts';
import type { Clock, Recorder } from '../core/ports.ts';
import type { Code } from '../core/reasons.ts';
import { parseTarget } from '../core/target.ts';
import { OpenExchange } from '../decide/open-exchange.ts';
import type { OpenExchanges } from '../decide/open-exchanges.ts';
import type { Admitted, RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { onceGone } from '../forward/client-gone.ts';
import { type Forwarded, type ForwardOwner, forward, type Underway } from '../forward/forward.ts';
import { outgoingFields, withoutCredential, type HeaderRules } from '../forward/headers.ts';
import type { Upstreams } from '../forward/targets.ts';
import { forwardUpgrade } from '../forward/upgrade.ts';
import { accept } from './accept.ts';
import { answerFields, answerProblem, rawAnswer } from './answer.ts';
import { endAndClose, lingerAndClose, mustCloseBehind } from './close-behind.ts';
import type { Connection } from './connection.ts';
import { CLIENT_GONE, Journey } from './journey.ts';
import type { LeanResponse, ResponseOwner } from './lean-response.ts';
import type { Front } from './listener.ts';
import { requestIdOf } from './request-facts.ts';

/** All that a reload swaps; a request keeps the one it began with. */
export interface Runtime {
  readonly policy: Policy;
  readonly headerRules: HeaderRules;
  readonly upstreams: Upstreams;
}

export interface ProxyFrontOptions {
  readonly runtime: () => Runtime;
  readonly decide: (request: RequestState) => Decision | Promise<Decision>;
  /** Where a request stands that was let through, until it has ended. */
  readonly open: OpenExchanges;
  readonly recorder: Recorder;
  readonly now: Clock;
  readonly isDraining: () => boolean;
  /** A defect: an exception that nothing expected. */
  readonly onBug: (bug: unknown, requestId: string) => void;
}

export class ProxyFront implements Front {
  readonly #options: ProxyFrontOptions;

  constructor(options: ProxyFrontOptions) {
    this.#options = options;
  }

  request({ peer }: Connection, request: IncomingMessage, response: LeanResponse, expectsContinue: boolean): void {
    const exchange = new HttpExchange(this.#options, peer, request, response, expectsContinue);
    response.owner = exchange;
    this.#run(exchange);
  }

  upgrade(connection: Connection, request: IncomingMessage, head: Buffer): void {
    this.#run(new UpgradeExchange(this.#options, connection, request, head));
  }

  expectation({ peer }: Connection, request: IncomingMessage, response: LeanResponse): void {
    new HttpExchange(this.#options, peer, request, response, true).refuse(deny('expectation_failed'));
  }

  malformed(code: Code, peer: Address, excerpt: string): string {
    const { recorder, runtime, now } = this.#options;
    const { policy } = runtime();
    const journey = new Journey(recorder, requestIdOf([], peer, policy), [], peer.text, now());
    const { denial, method } = denialOfMalformed(code, excerpt, policy);
    const answer = answerProblem(denial, {
      requestId: journey.requestId,
      credentials: policy.credentials,
      limits: [],
      limitPolicy: '',
      upgrades: [],
    });
    journey.method = method;
    journey.refused(denial, answer.status, answer.body.length);
    journey.end();
    return rawAnswer(answer, method);
  }

  #run(exchange: Exchange): void {
    try {
      const state = exchange.accept();
      if (!state) return;
      const decision = this.#options.decide(state);
      if (decision instanceof Promise) {
        decision.then((decided) => exchange.proceed(state, decided)).catch((bug: unknown) => exchange.failed(bug));
      } else {
        exchange.proceed(state, decision);
      }
    } catch (bug) {
      exchange.failed(bug);
    }
  }
}

/** A request and the way to answer it. */
abstract class Exchange extends OpenExchange implements ForwardOwner {
  protected readonly runtime: Runtime;
  protected readonly journey: Journey;
  protected readonly requestMessage: IncomingMessage;
  /** It was answered while it was being forwarded: its body cannot be read, or it would now be denied. */
  protected isCutShort = false;
  readonly #options: ProxyFrontOptions;
  readonly #peer: Address;
  protected readonly isDraining: () => boolean;
  #underway: Underway | null = null;
  #release: (() => void) | null = null;

  constructor(options: ProxyFrontOptions, peer: Address, request: IncomingMessage) {
    super();
    this.newsBefore = options.open.news;
    this.#options = options;
    this.#peer = peer;
    this.isDraining = options.isDraining;
    this.requestMessage = request;
    this.runtime = options.runtime();
    const id = requestIdOf(request.rawHeaders, peer, this.runtime.policy);
    this.journey = new Journey(options.recorder, id, request.rawHeaders, peer.text, options.now());
    this.journey.method = request.method ?? '';
  }

  /** The request as one that can be decided; undefined if it was refused. */
  accept(): RequestState | undefined {
    const { requestId, beganAtMs } = this.journey;
    const accepted = accept(this.requestMessage, this.#peer, this.runtime.policy, requestId, beganAtMs);
    if (!('code' in accepted)) return accepted;
    this.refuse(accepted);
    return undefined;
  }

  /** Carries out a decision. */
  proceed(state: RequestState, decision: Decision): void {
    this.#release = state.release;
    if (this.isCutShort) return this.end();
    this.journey.decided(state, decision);
    if (decision.outcome === 'denied') return this.refuse(decision.denial!, state);
    const admitted = state as Admitted;
    this.#options.open.add(this, admitted);
    this.#underway = this.forward(admitted);
  }

  /** Answers a denial, and records it. */
  abstract refuse(denial: Denial, state?: RequestState): void;

  protected abstract forward(request: Admitted): Underway | null;

  get isAwaited(): boolean {
    return this.requestMessage.complete && !(this.#underway?.isAnswering ?? false);
  }

  endFor(denial: Denial): void {
    this.#options.open.remove(this);
    this.journey.ended(denial);
    try {
      if (this.#underway?.breakOff()) return;
      this.isCutShort = true;
      this.refuse(denial, this.admitted ?? undefined);
    } catch (bug) {
      this.failed(bug);
    }
  }

  forgetCredential(): void {
    this.admitted?.forgetCredential();
    if (this.runtime.policy.credentials.query !== null) this.requestMessage.url = '';
  }

  forwardEnded(forwarded: Forwarded): void {
    this.#options.open.remove(this);
    // It was answered for its body meanwhile, and that answer is what counts.
    if (this.isCutShort) return;
    this.journey.forwarded(forwarded);
    if (forwarded.kind === 'answered') return this.end();
    this.refuse(deny(forwarded.code, { detail: forwarded.detail }), this.admitted ?? undefined);
  }

  forwardBroke(defect: Error): void {
    this.failed(defect);
  }

  /** A defect ended the request. */
  failed(bug: unknown): void {
    this.#options.onBug(bug, this.journey.requestId);
    this.refuse(deny('internal_error'));
  }

  /** Records the request and gives back what it held; the first call counts. */
  protected end(): void {
    this.#options.open.remove(this);
    this.#release?.();
    this.#release = null;
    if (this.isCutShort && this.#underway !== null) this.journey.received(this.#underway.bytesIn);
    this.journey.end();
  }

  protected problem(denial: Denial, state?: RequestState) {
    return answerProblem(denial, {
      requestId: this.journey.requestId,
      credentials: this.runtime.policy.credentials,
      limits: state?.limits ?? [],
      limitPolicy: state?.limitPolicy ?? '',
      upgrades: state?.route?.upgrades ?? [],
    });
  }

  /** What the upstream is asked, from nothing but what was authorised. */
  protected outgoing(request: Admitted) {
    const { headerRules, policy, upstreams } = this.runtime;
    const upstream = upstreams.get(request.route.upstream ?? '');
    const path = request.target.path + withoutCredential(request.target.query, policy.credentials.query);
    const fields = outgoingFields(headerRules, {
      rawHeaders: request.rawHeaders,
      identityFields: request.caller?.identityFields ?? [],
      forwardedFor: request.forwardedFor,
      peer: request.peer.text,
      proto: request.proto,
      host: request.host,
      requestId: request.id,
    });
    this.journey.forwarding(upstream.name);
    return { upstream, path, fields, answerFields: answerFields(request.id, request) };
  }
}

class HttpExchange extends Exchange implements ResponseOwner {
  readonly #response: LeanResponse;
  readonly #expectsContinue: boolean;

  constructor(
    options: ProxyFrontOptions,
    peer: Address,
    request: IncomingMessage,
    response: LeanResponse,
    expectsContinue: boolean,
  ) {
    super(options, peer, request);
    this.#response = response;
    this.#expectsContinue = expectsContinue;
  }

  refuse(denial: Denial, state?: RequestState): void {
    const response = this.#response;
    const request = this.requestMessage;
    const { status, fields, body, closes } = this.problem(denial, state);
    if (response.headersSent || response.destroyed) {
      if (!response.headersSent) this.journey.refused(denial, CLIENT_GONE, 0);
      response.destroy();
      return this.end();
    }
    const hasUnreadBody = !request.complete && (state?.contentLength ?? null) !== 0;
    const closesBehind = hasUnreadBody && (this.#expectsContinue || mustCloseBehind(state?.contentLength ?? null));
    const isLast = closes || closesBehind || this.isDraining();
    this.journey.refused(denial, status, Buffer.byteLength(body));
    onceGone(request, response, () => this.end());
    response.writeHead(status, isLast ? [...fields, 'Connection', 'close'] : [...fields]);
    if (closesBehind) response.outliveAnswer();
    response.end(body);
    const lingerMs = this.isCutShort ? BOUNDS.endedLingerMs : BOUNDS.lingerMs;
    // Until its turn the body stays unread: to end the connection would cut the answers in front of it.
    if (closesBehind) response.onTurn(() => lingerAndClose(request, lingerMs));
    else request.resume();
  }

  breakOff(): void {
    this.isCutShort = true;
    this.refuse(deny('ambiguous_request', { detail: 'body framing' }));
  }

  protected forward(request: Admitted): Underway {
    const { upstream, path, fields, answerFields: extra } = this.outgoing(request);
    this.#response.unreadMs = Math.max(BOUNDS.unreadMs, upstream.config.idleTimeout);
    return forward(
      {
        upstream,
        method: request.method,
        path,
        fields,
        request: this.requestMessage,
        response: this.#response,
        maxBodyBytes: request.route.maxBodyBytes,
        contentLength: request.contentLength,
        answerFields: extra,
        isLast: this.isDraining,
        beforeBody: this.#expectsContinue ? () => this.#response.writeContinue() : null,
      },
      this,
    );
  }
}

class UpgradeExchange extends Exchange {
  readonly #socket: Socket;
  readonly #head: Buffer;

  constructor(options: ProxyFrontOptions, { socket, peer }: Connection, request: IncomingMessage, head: Buffer) {
    super(options, peer, request);
    this.#socket = socket;
    this.#head = head;
  }

  refuse(denial: Denial, state?: RequestState): void {
    const answer = this.problem(denial, state);
    this.journey.refused(denial, answer.status, Buffer.byteLength(answer.body));
    endAndClose(this.#socket, rawAnswer(answer, this.journey.method));
    this.end();
  }

  protected forward(request: Admitted): Underway | null {
    if (request.upgrades.length === 0) {
      this.refuse(deny('ambiguous_request', { detail: 'upgrade' }));
      return null;
    }
    const { upstream, path, fields, answerFields: extra } = this.outgoing(request);
    return forwardUpgrade(
      { upstream, path, fields, socket: this.#socket, head: this.#head, answerFields: extra },
      this,
    );
  }
}

/** A parser gives up on an unknown method before anything else; the path may still be one that a route has. */
function denialOfMalformed(code: Code, excerpt: string, policy: Policy): { denial: Denial; method: string } {
  const [, method = '', target = '', rest = ''] = REQUEST_LINE.exec(excerpt) ?? [];
  if (code === 'method_not_allowed') {
    const host = withoutSpaceAround(HOST_FIELD.exec(excerpt)?.[1] ?? '');
    const parsed = rest === ' HTTP/1.1' ? parseTarget(target, host) : { flaw: 'form' };
    if ('flaw' in parsed) return { denial: deny('ambiguous_request', { detail: 'request line' }), method };
    const match = policy.routes.match(hostName(host.toLowerCase()), parsed.segments, method, undefined);
    if (match.kind === 'method') return { denial: deny('method_not_allowed', { allow: match.allow }), method };
    return { denial: deny(match.kind === 'none' ? 'route_not_found' : 'ambiguous_request'), method };
  }
  if (code === 'headers_too_large' && target.length > BOUNDS.targetBytes) {
    return { denial: deny('uri_too_long'), method };
  }
  return { denial: deny(code as Exclude<Code, 'key_invalid'>, { detail: 'parser' }), method };
}

/** A target that is no path counts as none, but who asked by HEAD still gets no body. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (?:(\/[\x21-\x7e]*)|[\x21-\x7e]+(?= HTTP\/1\.))([^\r\n]*)/;
/** With blanks around the value: a pattern that leaves them out takes time by the square of their number. */
const HOST_FIELD = /\r\nhost:([^\r\n]*)\r\n/i;
