// Carries one allowed WebSocket upgrade: the handshake with a target, then bytes both ways. Nothing that the
// client sent behind its head goes upstream before the upstream has switched protocols.
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BOUNDS } from '../core/bounds.ts';
import type { UpstreamFailure } from '../wire/exchange.ts';
import { ClientLeg } from './client-leg.ts';
import type { FailureCode, Forwarded, ForwardOwner, Underway } from './forward.ts';
import { Handshake, type HandshakeEvents } from './handshake.ts';
import { readReturnedHead } from './returned-head.ts';
import type { Target, Upstream } from './targets.ts';
import { Tunnel } from './tunnel.ts';
import type { TunnelSocket } from './tunnel-socket.ts';

export interface UpgradeJob {
  readonly upstream: Upstream;
  /** Canonical path and query, without a credential. */
  readonly path: string;
  /** From `outgoingFields`. */
  readonly fields: readonly string[];
  /** The client's connection, and what came on it behind the request. */
  readonly socket: Socket;
  readonly head: Buffer;
  /** Name, value, name, value: added to the answer, in place of the upstream's of the same name. */
  readonly answerFields: readonly string[];
}

/**
 * Forwards an upgrade. The owner is told once the tunnel, or the answer that the upstream gave instead, has ended.
 * After `failed`, and where it was broken off before an answer, the connection is as the client left it.
 */
export function forwardUpgrade(job: UpgradeJob, owner: ForwardOwner): Underway {
  const { promise, resolve, reject } = Promise.withResolvers<Forwarded>();
  promise
    .then((forwarded) => owner.forwardEnded(forwarded))
    .catch((defect: unknown) => owner.forwardBroke(defect as Error));
  const upgrading = new Upgrading(job, resolve, reject);
  upgrading.begin();
  return upgrading;
}

class Upgrading implements HandshakeEvents, Underway {
  readonly #job: UpgradeJob;
  readonly #resolve: (forwarded: Forwarded) => void;
  readonly #reject: (defect: Error) => void;
  readonly #leg: ClientLeg;
  readonly #startedAt = performance.now();
  #headAt: number | null = null;
  #status = 0;
  #handshake: Handshake | null = null;
  #tunnel: Tunnel | null = null;
  #tried: Target[] = [];
  #retriesLeft: number;
  #isWhole = false;

  constructor(job: UpgradeJob, resolve: (forwarded: Forwarded) => void, reject: (defect: Error) => void) {
    this.#job = job;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#retriesLeft = job.upstream.config.retries;
    this.#leg = new ClientLeg(job.socket, job.head, () => this.#clientClosed());
  }

  begin(): void {
    const { upstream, path, fields } = this.#job;
    const target = upstream.next(this.#tried);
    if (!target) return this.#fail('no_healthy_target', upstream.name);
    this.#tried.push(target);
    this.#handshake = new Handshake(target, upstream.config, this.#leg, this);
    this.#handshake.begin(path, fields);
  }

  switched(response: IncomingMessage, upstream: Duplex, socket: TunnelSocket): boolean {
    const { answerFields, upstream: to } = this.#job;
    const head = readReturnedHead(101, response.rawHeaders, answerFields);
    if (
      response.headers.upgrade?.toLowerCase() !== 'websocket' ||
      !head ||
      head.isChunked ||
      head.contentLength !== null
    ) {
      this.#fail('upstream_invalid', 'status 101');
      return false;
    }
    this.#answering(101);
    const tunnel = new Tunnel(this.#leg, upstream, to.config.idleTimeout);
    this.#tunnel = tunnel;
    this.#handshake!.passed = (chunk) => tunnel.passed(chunk);
    to.openTunnels.add(tunnel);
    socket.openTunnel(headText(101, '', [...head.fields, 'Connection', 'Upgrade', 'Upgrade', 'websocket']));
    this.#isWhole = true;
    return true;
  }

  answered(response: IncomingMessage, socket: TunnelSocket): boolean {
    const { answerFields, upstream } = this.#job;
    const status = response.statusCode ?? 0;
    const head =
      status >= 200 && status < 600 ? readReturnedHead(status, response.rawHeaders, answerFields) : undefined;
    if (!head) {
      this.#fail('upstream_invalid', `status ${status}`);
      return false;
    }
    this.#answering(status);
    // The body comes framed as httpxy frames it: chunked where the upstream's was.
    if (head.isChunked && !BODYLESS.has(status)) head.fields.push('Transfer-Encoding', 'chunked');
    head.fields.push('Connection', 'close');
    const client = this.#leg.socket;
    client.setTimeout(upstream.config.idleTimeout, () => client.destroy());
    socket.once('finish', () => {
      this.#isWhole = true;
      const timer = setTimeout(() => client.destroy(), BOUNDS.lingerMs);
      client.once('close', () => clearTimeout(timer));
    });
    client.once('close', () => response.destroy());
    socket.passAnswer(headText(status, response.statusMessage ?? '', head.fields));
    return true;
  }

  failed({ kind, isSent, detail }: UpstreamFailure): void {
    if (!isSent && kind !== 'unsendable' && this.#retriesLeft-- > 0) return this.begin();
    if (kind !== 'unsendable') return this.#fail(`upstream_${kind}`, detail);
    this.#leg.release();
    this.#reject(new Error(`a request could not be written: ${detail}`));
  }

  get isAnswering(): boolean {
    return this.#headAt !== null;
  }

  get bytesIn(): number {
    return this.#leg.bytesIn;
  }

  /** The client of a WebSocket is told that its key or its rights have ended (1008, policy violation). */
  breakOff(): boolean {
    if (!this.isAnswering) {
      this.#handshake?.abort();
      this.#leg.release();
      return false;
    }
    if (this.#tunnel) this.#tunnel.close(POLICY_VIOLATION, BOUNDS.endedLingerMs);
    else this.#leg.socket.destroy();
    return true;
  }

  #answering(status: number): void {
    this.#status = status;
    this.#headAt = performance.now();
  }

  #fail(code: FailureCode, detail: string): void {
    this.#leg.release();
    this.#resolve({ kind: 'failed', code, bytesIn: 0, detail });
  }

  #clientClosed(): void {
    if (this.#tunnel) this.#job.upstream.openTunnels.delete(this.#tunnel);
    if (this.#headAt === null) this.#handshake?.abort();
    this.#resolve({
      kind: 'answered',
      status: this.#status,
      bytesIn: this.bytesIn,
      bytesOut: this.#leg.bytesOut,
      upstreamMs: this.#headAt === null ? null : this.#headAt - this.#startedAt,
      headWrittenAt: this.#headAt,
      isComplete: this.#isWhole,
      clientGone: this.#headAt === null,
      detail: null,
    });
  }
}

/** RFC 6455 section 7.4.1. */
const POLICY_VIOLATION = 1008;
/** Answers whose body httpxy leaves away. */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);
const PLAIN_REASON = /^[\t\x20-\x7e]+$/;

function headText(status: number, reason: string, fields: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${PLAIN_REASON.test(reason) ? reason : (STATUS_CODES[status] ?? '')}\r\n`;
  for (let at = 0; at < fields.length; at += 2) head += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return `${head}\r\n`;
}
