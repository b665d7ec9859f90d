// A client that asks one request after another on a connection that it keeps as long as it may, and reads the answers
// strictly.
import { connect, type Socket } from 'node:net';
import { strictAnswerAt, type StrictAnswer } from '../strict/answers.ts';

/** What came of a request: an answer, whole or as far as it came, or bytes that are none. */
export interface Got {
  readonly answer: StrictAnswer | null;
  /** All that came, one character a byte. */
  readonly text: string;
  /** It is no HTTP. */
  readonly isUnreadable: boolean;
  /** Neither an answer nor the end of the connection came in time. */
  readonly isStuck: boolean;
}

const ANSWERED_MS = 5_000;

export class AskingClient {
  readonly #port: number;
  #socket: Socket | null = null;
  #text = '';
  #isOver = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Sends a request and reads its answer. Bytes that were there before it are part of what is read. A kept connection may
   * be closed at any time, and a GET that got no byte on one is sent again (RFC 9112 sections 9.3.1 and 9.5).
   */
  async ask(method: string, path: string): Promise<Got> {
    const isKept = !this.#isOver && this.#socket !== null;
    const got = await this.#askOnce(method, path);
    return isKept && method === 'GET' && got.text === '' && !got.isStuck ? this.#askOnce(method, path) : got;
  }

  async #askOnce(method: string, path: string): Promise<Got> {
    if (this.#isOver || this.#socket === null) await this.#open();
    const body = method === 'POST' ? 'hello' : '';
    this.#socket!.write(
      `${method} ${path} HTTP/1.1\r\nHost: a\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n`,
    );
    if (body !== '') setImmediate(() => this.#socket?.write(body));
    const got = await this.#answer(method);
    if (got.answer?.state !== 'whole') this.destroy();
    else this.#text = this.#text.slice(got.answer.end);
    return got;
  }

  destroy(): void {
    this.#socket?.destroy();
    this.#isOver = true;
  }

  async #open(): Promise<void> {
    this.#text = '';
    this.#isOver = false;
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    const over = (): void => {
      if (this.#socket === socket) this.#isOver = true;
      this.#wake();
    };
    socket.on('error', over).on('end', over).on('close', over);
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  }

  async #answer(method: string): Promise<Got> {
    let isStuck = false;
    const timer = setTimeout(() => {
      isStuck = true;
      this.#wake();
    }, ANSWERED_MS);
    for (;;) {
      const answer = strictAnswerAt(this.#text, 0, method, this.#isOver);
      const isRead = answer === 'invalid' || (typeof answer !== 'string' && answer.state !== 'incomplete');
      if (isRead || this.#isOver || isStuck) {
        clearTimeout(timer);
        const found = typeof answer === 'string' ? null : answer;
        return {
          answer: found,
          text: this.#text,
          isUnreadable: answer === 'invalid' || found?.state === 'invalid',
          isStuck,
        };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
