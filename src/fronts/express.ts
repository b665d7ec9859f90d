// The middleware form: the same decision in front of an Express application, which forwards or answers by
// itself. What was decided is what the application sees: the canonical target, and no field that a client
// could have used to pass for somebody else.
import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Address } from '../core/address.ts';
import { type Denial, deny } from '../core/decision.ts';
import type { Policy } from '../core/policy.ts';
import type { Recorder } from '../core/ports.ts';
import type { Reason } from '../core/reasons.ts';
import { OpenExchange } from '../decide/open-exchange.ts';
import type { OpenExchanges } from '../decide/open-exchanges.ts';
import type { Admitted, RequestState } from '../decide/request-state.ts';
import type { Decision } from '../decide/sequence.ts';
import { onceGone } from '../forward/client-gone.ts';
import { type HeaderRules, outgoingFields, withoutCredential } from '../forward/headers.ts';
import { accept } from './accept.ts';
import { answerFields, answerProblem } from './answer.ts';
import { lingerAndClose, mustCloseBehind } from './close-behind.ts';
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

export interface MiddlewareOptions {
  readonly inForce: () => { readonly policy: Policy; readonly headerRules: HeaderRules };
  readonly decide: (request: RequestState) => Decision | Promise<Decision>;
  /** Where a request stands that was let through, until it has ended. */
  readonly open: OpenExchanges;
  readonly recorder: Recorder;
}

export function createMiddleware(options: MiddlewareOptions): RequestHandler {
  return (request, response, next) => {
    const peer = peerOf(request.socket);
    // Nobody is left to answer.
    if (!peer) return void request.socket.destroy();
    // oxlint-disable-next-line promise/no-callback-in-promise -- how Express is told of a defect
    new Passage(options, peer, request, response, next).run().catch(next);
  };
}

/** One request's way through the middleware. */
class Passage extends OpenExchange {
  readonly #options: MiddlewareOptions;
  readonly #request: Request;
  readonly #response: Response;
  readonly #next: NextFunction;
  readonly #policy: Policy;
  readonly #headerRules: HeaderRules;
  readonly #peer: Address;
  readonly #journey: Journey;

  constructor(options: MiddlewareOptions, peer: Address, request: Request, response: Response, next: NextFunction) {
    super();
    this.newsBefore = options.open.news;
    this.#options = options;
    this.#request = request;
    this.#response = response;
    this.#next = next;
    ({ policy: this.#policy, headerRules: this.#headerRules } = options.inForce());
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
    const decision = await this.#options.decide(state);
    this.#journey.decided(state, decision);
    if (decision.outcome === 'denied') return this.#refuse(decision.denial!, state);
    if (!this.#isMountedAlike(state)) {
      state.release?.();
      return this.#refuse(deny('ambiguous_request', { detail: 'mount path' }), state);
    }
    this.#pass(state as Admitted, decision);
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
    request.url = target.slice(request.baseUrl.length) || '/';
    replaceFields(request, this.#outgoing(admitted));
    const fields = answerFields(admitted.id, admitted);
    for (let at = 0; at < fields.length; at += 2) this.#response.setHeader(fields[at]!, fields[at + 1]!);
    this.#options.open.add(this, admitted);
    const writtenBefore = request.socket.bytesWritten;
    onceGone(this.#request, this.#response, () => {
      this.#options.open.remove(this);
      admitted.release?.();
      this.#journey.forwarded({
        kind: 'answered',
        status: this.#response.statusCode,
        bytesIn: admitted.contentLength ?? 0,
        bytesOut: Math.max(0, request.socket.bytesWritten - writtenBefore),
        clientGone: !this.#response.headersSent,
        headWrittenAt: null,
      });
      this.#journey.end();
    });
    if (admitted.contentLength === null) {
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

  /** Ends a request that the application has already been given. */
  #cutOff(denial: Denial): void {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#refuse(denial);
  }

  #outgoing(admitted: Admitted): readonly string[] {
    return outgoingFields(this.#headerRules, {
      rawHeaders: admitted.rawHeaders,
      identityFields: admitted.caller?.identityFields ?? [],
      forwardedFor: admitted.forwardedFor,
      peer: admitted.peer.text,
      proto: admitted.proto,
      host: admitted.host,
      requestId: admitted.id,
    });
  }

  /** Express matched the mount path against the raw target; the canonical one has to begin with it too. */
  #isMountedAlike({ target }: RequestState): boolean {
    const { baseUrl } = this.#request;
    return baseUrl === '' || target.path === baseUrl || target.path.startsWith(`${baseUrl}/`);
  }

  #refuse(denial: Denial, state?: RequestState): void {
    const answer = answerProblem(denial, {
      requestId: this.#journey.requestId,
      credentials: this.#policy.credentials,
      limits: state?.limits ?? [],
      limitPolicy: state?.limitPolicy ?? '',
      upgrades: state?.route?.upgrades ?? [],
    });
    const length = state === undefined ? null : state.contentLength;
    const closesBehind = !this.#request.complete && length !== 0 && mustCloseBehind(length);
    this.#journey.refused(denial, answer.status, Buffer.byteLength(answer.body));
    onceGone(this.#request, this.#response, () => this.#journey.end());
    this.#response.writeHead(
      answer.status,
      answer.closes || closesBehind ? [...answer.fields, 'Connection', 'close'] : [...answer.fields],
    );
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

/** Fields that say how the message is framed, which the application's own parser still needs. */
const FRAMING = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect']);

/** Leaves the application with the fields that an upstream would have got, merged as Node merges them. */
function replaceFields(request: IncomingMessage, outgoing: readonly string[]): void {
  const received = request.rawHeaders;
  const framing: string[] = [];
  const pairs = new Set<string>();
  for (let at = 0; at < received.length; at += 2) {
    pairs.add(`${received[at]!.toLowerCase()}: ${received[at + 1]!}`);
    if (FRAMING.has(received[at]!.toLowerCase())) framing.push(received[at]!, received[at + 1]!);
  }
  const kept = new Set<string>();
  for (let at = 0; at < outgoing.length; at += 2) {
    const name = outgoing[at]!.toLowerCase();
    kept.add(name);
    if (!pairs.has(`${name}: ${outgoing[at + 1]!}`)) request.headers[name] = outgoing[at + 1]!;
  }
  for (const name of Object.keys(request.headers)) {
    if (!FRAMING.has(name) && !kept.has(name)) delete request.headers[name];
  }
  received.splice(0, received.length, ...framing, ...outgoing);
}

/** Counts a body whose length was not declared while the application reads it. */
function boundUndeclaredBody(request: IncomingMessage, mostBytes: number, onTooLarge: () => void): void {
  const push = request.push.bind(request);
  let bytes = 0;
  request.push = (chunk: Buffer | null, encoding) => {
    if (bytes > mostBytes) return true;
    bytes += chunk?.length ?? 0;
    if (bytes <= mostBytes) return push(chunk, encoding);
    onTooLarge();
    return true;
  };
}
