// Node's response, with a short way for an answer that is there whole: head and body in one text, one write, done.
// Node's own way joins them too, but looks at each field twice, writes under a cork and waits for a callback,
// which is a quarter of what node:http costs a request. Every other answer takes Node's way.
import { OutgoingMessage, ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.ts';
import { isField } from '../core/fields.ts';

/** What node:http keeps of a response for itself, as far as the short way has to keep it up. */
interface Internals {
  _header: string | null;
  _headerSent: boolean;
  /** Whether the connection ends with this answer. */
  _last: boolean;
  _hasBody: boolean;
  _expect_continue: boolean;
  _sent100: boolean;
  _send(data: string | Buffer, encoding?: BufferEncoding | null, ...rest: unknown[]): boolean;
  _keepAliveTimeout: number;
  _closed: boolean;
  finished: boolean;
  outputData: readonly unknown[];
}

/** A connection, with the answer that is being written to it. */
interface Writing extends Socket {
  _httpMessage?: ServerResponse | null;
}

/** Who answers a request. */
export interface ResponseOwner {
  /** The request's body turned out to be unreadable; what was sent of it ends with the connection. */
  breakOff(): void;
}

export class LeanResponse extends ServerResponse {
  owner: ResponseOwner | null = null;
  /** How long its client may take nothing of it, ms. */
  unreadMs: number = BOUNDS.unreadMs;
  /** Whether it went the short way to its end. */
  isWhole = false;
  /** Whether its head has said that the connection ends with it. */
  #saysLast = false;
  /** Whether Node watches its connection. */
  #isNodes = false;
  /** The body's length that a head of ours tells, bytes; -1 where Node wrote the head. */
  #bodyLength = -1;

  /**
   * Writes a head with the answer's first bytes.
   * @param reason a phrase, or the fields
   * @param fields name, value, name, value; whoever read or made them has found no control characters in them
   */
  override writeHead(status: number, reason?: unknown, fields?: unknown): this {
    const list = typeof reason === 'string' ? fields : reason;
    const phrase = typeof reason === 'string' ? reason : (STATUS_CODES[status] ?? 'unknown');
    if (this.headersSent || !Array.isArray(list) || !this.#takeHead(status, phrase, list as string[])) {
      (this as unknown as Internals)._keepAliveTimeout = BOUNDS.keepAliveTimeoutMs;
      super.writeHead(status, reason as string, fields as string[]);
    }
    this.#saysLast = (this as unknown as Internals)._last;
    // What waits in the queue is a 100 Continue; Node would put the head in front of it.
    if (this.#isWaitingBehind()) this.flushHeaders();
    return this;
  }

  /** Whether nothing is processed that stands behind its request: either side has said so (RFC 9112 section 9.6). */
  get isLast(): boolean {
    return this.#saysLast || !this.shouldKeepAlive;
  }

  /** Whether it stands behind another answer on its connection. */
  get isWaiting(): boolean {
    return this.socket === null && !this.writableFinished;
  }

  /** Calls once it is this answer's turn on the connection, at once where it is already; not where the connection ends before. */
  onTurn(callback: () => void): void {
    if (this.isWaiting) this.once('socket', callback);
    else callback();
  }

  /** Node would write it as UTF-8. */
  override flushHeaders(): void {
    const internals = this as unknown as Internals;
    if (internals._header !== null && !internals._headerSent) internals._send('', 'latin1');
  }

  /** A head that has an `Expect` field is sent by Node at once, and as UTF-8. */
  protected _send(data: string | Buffer, encoding?: BufferEncoding | null, ...rest: unknown[]): boolean {
    const nodes = ServerResponse.prototype as unknown as Internals;
    return nodes._send.call(this, data, data === '' ? 'latin1' : encoding, ...rest);
  }

  /** Whoever has an answer is not told to go on; Node throws. */
  override writeContinue(callback?: () => void): void {
    if (!this.headersSent && !this.destroyed) super.writeContinue(callback);
  }

  /** An answer that waits behind another is cut when its turn has come: Node would leave the connection open for good. */
  override destroy(error?: Error): this {
    if (this.destroyed || !this.isWaiting) return super.destroy(error);
    this.once('socket', (socket: Socket) => process.nextTick(() => socket.destroy(error)));
    return this;
  }

  /** Has the connection stay open behind this answer, though its head may say otherwise: whoever asks for it ends it. */
  outliveAnswer(): void {
    (this as unknown as Internals)._last = false;
    this.once('finish', () => this.req.socket.end());
  }

  /** @param chunk a text has one character a byte */
  override end(chunk?: unknown, ...rest: never[]): this {
    const body = chunk ?? '';
    if (typeof body === 'string' && body.length === this.#bodyLength && this.#endWhole(body)) return this;
    return super.end(chunk, ...rest);
  }

  /** Node listens for each answer whether its connection closes; here one listener serves all of a connection's. */
  override assignSocket(socket: Writing): void {
    const hasWaited = this.owner !== null || (this as unknown as Internals).outputData.length > 0;
    this.#isNodes = hasWaited || Boolean(socket._httpMessage);
    if (this.#isNodes) return super.assignSocket(socket);
    if (!watched.has(socket)) {
      watched.add(socket);
      socket.on('close', connectionClosed);
    }
    socket._httpMessage = this;
    (this as { socket: Socket | null }).socket = socket;
  }

  override detachSocket(socket: Writing): void {
    if (this.#isNodes) return super.detachSocket(socket);
    socket._httpMessage = null;
    (this as { socket: Socket | null }).socket = null;
  }

  #endWhole(body: string): boolean {
    const { socket } = this;
    const internals = this as unknown as Internals;
    // Not its turn yet, nobody there, or a reader that has not kept up: Node knows how to wait.
    if (internals._headerSent || socket === null || !socket.writable || socket.writableLength > 0) return false;
    internals._headerSent = true;
    internals.finished = true;
    socket.write(internals._header + body, 'latin1');
    if (socket.writableLength === 0) this.#finish();
    else socket.write('', (error) => error || this.#finish());
    return true;
  }

  #isWaitingBehind(): boolean {
    return (this as unknown as Internals).outputData.length > 0;
  }

  #finish(): void {
    this.isWhole = true;
    this.emit('finish');
  }

  /** Makes the head's text. False, with nothing done, where no length tells the end of a body. */
  #takeHead(status: number, reason: string, fields: readonly string[]): boolean {
    const internals = this as unknown as Internals;
    const hasBody = internals._hasBody && status !== 204 && status !== 304;
    let head = `HTTP/1.1 ${status} ${reason}\r\n`;
    let bodyLength = hasBody ? -1 : 0;
    let hasDate = false;
    // A client that was not told to go on may send its body where the next request is due (RFC 9110 section 10.1.1).
    let isLast = !this.shouldKeepAlive || (internals._expect_continue && !internals._sent100);
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      const value = fields[at + 1]!;
      switch (name.length) {
        case 4:
          hasDate ||= isField(name, 'date');
          break;
        case 10:
          if (!isField(name, 'connection')) break;
          if (value !== 'close') return false;
          isLast = true;
          continue;
        case 14:
          if (hasBody && isField(name, 'content-length')) bodyLength = Number(value);
          break;
        case 17:
          if (isField(name, 'transfer-encoding')) return false;
          break;
        default:
      }
      head += `${name}: ${value}\r\n`;
    }
    if (bodyLength === -1) return false;
    if (!hasDate) head += `Date: ${dateText()}\r\n`;
    this.statusCode = status;
    this.statusMessage = reason;
    this.#bodyLength = bodyLength;
    internals._hasBody = hasBody;
    internals._last = isLast;
    internals._header = head + (isLast ? LAST : KEPT);
    return true;
  }
}

const watched = new WeakSet<Socket>();

function connectionClosed(this: Writing): void {
  const answer = this._httpMessage;
  const internals = answer as unknown as Internals | null | undefined;
  if (!answer || !internals || internals._closed) return;
  answer.destroyed = true;
  internals._closed = true;
  answer.emit('close');
}

// Not in the class: TypeScript does not let an accessor take the place of a property.
const nodes = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, 'writableFinished')!;
Object.defineProperty(LeanResponse.prototype, 'writableFinished', {
  get(this: LeanResponse): boolean {
    return this.isWhole || Boolean(nodes.get?.call(this));
  },
});

const LAST = 'Connection: close\r\n\r\n';
const KEPT = `Connection: keep-alive\r\nKeep-Alive: timeout=${BOUNDS.keepAliveTimeoutMs / 1000}\r\n\r\n`;

/** The Date field's value (RFC 9110 section 6.6.1), made once a second. */
function dateText(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== keptSecond) {
    keptSecond = second;
    keptDate = new Date(second * 1000).toUTCString();
  }
  return keptDate;
}

let keptSecond = 0;
let keptDate = '';
