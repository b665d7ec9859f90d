// The middleware form: the same decision in front of an Express application, which forwards or answers by
// itself. What was decided is what the application sees: the canonical target, and no field that a client
// could have used to pass for somebody else.
import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Address } from '../core/address.ts';
import { type Denial, deny } from '../core/decision.ts';
import type { Policy } from '../core/policy.ts';
import type { Recorder } from '../core/ports.ts';
import type { Accepted } from '../core/request.ts';
import type { Reason } from '../core/reasons.ts';
import { OpenExchange } from '../decide/open-exchange.ts';
import type { OpenExchanges } from '../decide/open-exchanges.ts';
import type { Admitted, RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { onceGone } from '../forward/client-gone.ts';
import { type HeaderRules, outgoingFields, withoutCredential } from '../forward/headers.ts';
import { accept } from './accept.ts';
import { answerFields, answerProblem, type ProblemAnswer, rawAnswer } from './answer.ts';
import { dropTrailers, replaceFields } from './application-fields.ts';
import { endAndClose, lingerAndClose, mustCloseBehind } from './close-behind.ts';
import { Journey } from './journey.ts';
import { peerOf, requestIdOf } from './request-facts.ts';

/** What the application learns of a request that was let through: `req.portcullis`. */
export interface RequestIdentity {
  readonly requestId: string;
  /** Name of the route that matched. */
  readonly route: string;
  /** Address of the client, as `trustedProxies` has it. */
  readonly client: string;
  /** Null on a public route and for a CORS preflight. */
  readonly keyId: string | null;
  readonly owner: string | null;
  readonly roles: readonly string[];
  /** Effective scopes: the key's own and those of its roles. */
  readonly scopes: readonly string[];
  /** `observed`: a route in `observe` mode let through what `reason` would have denied. */
  readonly outcome: 'allowed' | 'observed';
  readonly reason: Reason;
}

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- the way in which Express's types are extended
  namespace Express {
    interface Request {
      /** What Portcullis decided; set by its middleware. */
      portcullis?: RequestIdentity;
    }
  }
}

/** What a configuration in force makes of requests. */
export interface MiddlewareRules {
  readonly policy: Policy;
  readonly headerRules: HeaderRules;
  /** Whether the route that answers is the same one as Express's routers read the path. */
  readonly isRoutedAlike: (request: Accepted) => boolean;
}

export interface MiddlewareOptions {
  readonly inForce: () => MiddlewareRules;
  readonly decide: (request: RequestState) => Decision | Promise<Decision>;
  /** Where a request stands that was let through, until it has ended. */
  readonly open: OpenExchanges;
  readonly recorder: Recorder;
}

export function createMiddleware(options: MiddlewareOptions): RequestHandler {
  return (request, response, next) => {
    const peer = peerOf(request.socket);
    // Nobody is left to answer, or the last answer on this connection was given.
    if (!peer || request.socket.writableEnded) return void request.socket.destroy();
    const passage = new Passage(options, peer, request, response, next);
    passage.run().catch((defect: unknown) => passage.failed(defect));
  };
}

/** One request's way through the middleware. */
class Passage extends OpenExchange {
  readonly #options: MiddlewareOptions;
  readonly #request: Request;
  readonly #response: Response;
  readonly #next: NextFunction;
  readonly #rules: MiddlewareRules;
  readonly #policy: Policy;
  readonly #peer: Address;
  readonly #journey: Journey;
  #release: (() => void) | null = null;
  /** Status of an answer of ours that the response does not know of. */
  #answered: number | null = null;

  constructor(options: MiddlewareOptions, peer: Address, request: Request, response: Response, next: NextFunction) {
    super();
    this.newsBefore = options.open.news;
    this.#options = options;
    this.#request = request;
    this.#response = response;
    this.#next = next;
    this.#rules = options.inForce();
    this.#policy = this.#rules.policy;
    this.#peer = peer;
    const id = requestIdOf(request.rawHeaders, peer, this.#policy);
    this.#journey = new Journey(options.recorder, id, request.rawHeaders, peer.text, Date.now());
    this.#journey.method = request.method;
  }

  async run(): Promise<void> {
    const state = accept(
      originalOf(this.#request),
      this.#peer,
      this.#policy,
      this.#journey.requestId,
      this.#journey.beganAtMs,
    );
    if ('code' in state) return this.#refuse(state);
    const flaw = this.#routingFlaw(state);
    if (flaw !== null) return this.#refuse(deny('ambiguous_request', { detail: flaw }), state);
    const decision = await this.#options.decide(state);
    this.#release = state.release;
    this.#journey.decided(state, decision);
    if (decision.outcome === 'denied') return this.#refuse(decision.denial!, state);
    const admitted = state as Admitted;
    // Behind a denial that `observe` waives no check has run, and this one is never waived; of a body whose length was not
    // declared some may have come with the head.
    const bodyBytes = admitted.contentLength ?? this.#request.readableLength;
    if (bodyBytes > admitted.route.maxBodyBytes) return this.#refuse(deny('body_too_large'), state);
    if (this.#response.headersSent) return this.#overtaken();
    this.#pass(admitted, decision);
  }

  /** A defect ended it: recorded and given back as every other request, and for Express to answer. */
  failed(defect: unknown): void {
    this.#journey.refused(deny('internal_error'), 500, 0);
    this.#end();
    this.#next(defect);
  }

  #pass(admitted: Admitted, { outcome, denial }: Decision): void {
    const { caller, route, client } = admitted;
    const request = this.#request;
    request.portcullis = {
      requestId: admitted.id,
      route: route.name,
      client: client.text,
      keyId: caller?.keyId ?? null,
      owner: caller?.owner ?? null,
      roles: caller?.roles ?? [],
      scopes: caller?.scopes ?? [],
      outcome: outcome === 'observed' ? 'observed' : 'allowed',
      reason: denial?.reason ?? admitted.admission,
    };
    const target = admitted.target.path + withoutCredential(admitted.target.query, this.#policy.credentials.query);
    request.originalUrl = target;
    const own = target.slice(request.baseUrl.length);
    request.url = own.startsWith('/') ? own : `/${own}`;
    // Where something in front keeps what it parsed, as Express did itself before version 5.
    const { query } = this.#policy.credentials;
    if (query !== null && Object.hasOwn(request, 'query')) delete request.query[query];
    replaceFields(request, this.#outgoing(admitted), admitted.upgrades.length > 0);
    const fields = answerFields(admitted.id, admitted);
    for (let at = 0; at < fields.length; at += 2) this.#response.setHeader(fields[at]!, fields[at + 1]!);
    this.#options.open.add(this, admitted);
    const writtenBefore = request.socket.bytesWritten;
    this.#journey.passedOn();
    onceGone(this.#request, this.#response, () => {
      this.#journey.forwarded({
        kind: 'answered',
        status: this.#answered ?? this.#response.statusCode,
        bytesIn: admitted.contentLength ?? 0,
        bytesOut: Math.max(0, request.socket.bytesWritten - writtenBefore),
        clientGone: this.#answered === null && !this.#response.headersSent,
        headWrittenAt: null,
      });
      this.#end();
    });
    if (admitted.contentLength === null) {
      dropTrailers(request);
      boundUndeclaredBody(request, admitted.route.maxBodyBytes, () => this.#cutOff(deny('body_too_large')));
    }
    this.#next();
  }

  get isAwaited(): boolean {
    return this.#request.complete && !this.#response.headersSent;
  }

  /**
   * As if the client had gone away, which every application has to bear at any time; an answer of ours in its place
   * would have the application write to a response that has ended.
   */
  endFor(denial: Denial): void {
    this.#options.open.remove(this);
    this.#journey.ended(denial);
    this.#response.destroy();
  }

  forgetCredential(): void {
    this.admitted?.forgetCredential();
  }

  /** What stands in front of the middleware has answered while the store was asked, as a timeout does: nothing is let through any more. */
  #overtaken(): void {
    this.#journey.forwarded({ kind: 'answered', status: this.#response.statusCode, bytesIn: 0 });
    this.#end();
  }

  /** Records the request and gives back what it held; the first call counts. */
  #end(): void {
    this.#options.open.remove(this);
    this.#release?.();
    this.#release = null;
    this.#journey.end();
  }

  /**
   * Ends a request that the application has already been given. The response is left to it: it may write at any time, and
   * in one that has ended that would be an error which ends the process.
   */
  #cutOff(denial: Denial): void {
    const { socket } = this.#response;
    const answer = this.#answerTo(denial);
    this.#journey.refused(denial, answer.status, 0);
    // On a pipelined connection it is not yet its turn.
    if (socket === null || this.#response.headersSent) return void this.#response.destroy();
    this.#answered = answer.status;
    endAndClose(socket, rawAnswer(answer, this.#request.method));
  }

  #outgoing(admitted: Admitted): readonly string[] {
    return outgoingFields(this.#rules.headerRules, {
      rawHeaders: admitted.rawHeaders,
      identityFields: admitted.caller?.identityFields ?? [],
      forwardedFor: admitted.forwardedFor,
      peer: admitted.peer.text,
      proto: admitted.proto,
      host: admitted.host,
      requestId: admitted.id,
    });
  }

  /**
   * Why Express's routers would not go on with the target that is decided about; null where they do. They matched the
   * mount path against the raw target, with which the canonical one has to begin too. Of an absolute-form target they
   * keep the authority's length, and cut as much off what they are then given. And to them `/ADMIN` is
   * `/admin`, and `/%40me` is not `/@me`.
   */
  #routingFlaw(state: RequestState): string | null {
    const { target } = state;
    const { baseUrl, originalUrl } = this.#request;
    if (!originalUrl.startsWith('/')) return 'absolute-form target';
    const isMountedAlike = baseUrl === '' || target.path === baseUrl || target.path.startsWith(`${baseUrl}/`);
    if (!isMountedAlike) return 'mount path';
    return this.#rules.isRoutedAlike(state) ? null : 'path that routers read otherwise';
  }

  #answerTo(denial: Denial, state?: RequestState): ProblemAnswer {
    return answerProblem(denial, {
      requestId: this.#journey.requestId,
      credentials: this.#policy.credentials,
      limits: state?.limits ?? [],
      limitPolicy: state?.limitPolicy ?? '',
      upgrades: state?.route?.upgrades ?? [],
    });
  }

  #refuse(denial: Denial, state?: RequestState): void {
    if (this.#response.headersSent) {
      this.#journey.refused(denial, this.#response.statusCode, 0);
      return this.#end();
    }
    const answer = this.#answerTo(denial, state);
    const length = state === undefined ? null : state.contentLength;
    const closesBehind = !this.#request.complete && length !== 0 && mustCloseBehind(length);
    this.#journey.refused(denial, answer.status, Buffer.byteLength(answer.body));
    onceGone(this.#request, this.#response, () => this.#end());
    this.#response.statusCode = answer.status;
    // One by one: what wraps `writeHead`, as compression does, need not know of a list of fields.
    const fields = answer.closes || closesBehind ? [...answer.fields, 'Connection', 'close'] : answer.fields;
    for (let at = 0; at < fields.length; at += 2) this.#response.setHeader(fields[at]!, fields[at + 1]!);
    this.#response.end(answer.body);
    if (closesBehind) lingerAndClose(this.#request);
    else this.#request.resume();
  }
}

/** The request as it came in: Express strips the mount path from `url`. */
function originalOf(request: Request): IncomingMessage {
  return request.url === request.originalUrl
    ? request
    : Object.create(request, { url: { value: request.originalUrl } });
}

/** Counts a body whose length was not declared while the application reads it. */
function boundUndeclaredBody(request: IncomingMessage, mostBytes: number, onTooLarge: () => void): void {
  const push = request.push.bind(request);
  let bytes = request.readableLength;
  request.push = (chunk: Buffer | null, encoding) => {
    if (bytes > mostBytes) return true;
    bytes += chunk?.length ?? 0;
    if (bytes <= mostBytes) return push(chunk, encoding);
    onTooLarge();
    return true;
  };
}
