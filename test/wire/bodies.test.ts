// Bodies in both directions, byte for byte: recycled buffers, chunks moved together, uploads at the target's pace.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Connections } from '../../src/wire/connections.ts';
import type { AnswerSink, BodySink, BodySource, Exchange, UpstreamFailure } from '../../src/wire/exchange.ts';
import { inTime } from '../support/acceptance-wait.ts';
import { randomFrom } from '../support/generated-answers.ts';

const seed = Number(process.env['WIRE_SEED'] ?? randomInt(2 ** 32));
const random = randomFrom(seed);
const LIMITS = { connectTimeout: 2000, responseTimeout: 5000, idleTimeout: 5000, maxConnections: 16 };

/** Takes an answer as a slow client would: keeps chunks for a while, and stops the flow now and then. */
class SlowTaker implements AnswerSink {
  readonly over: Promise<void>;
  bytes = 0;
  status = 0;
  exchange: Exchange | null = null;
  failure: UpstreamFailure | null = null;
  readonly #hash = createHash('sha256');
  readonly #settle: () => void;
  #held: { chunk: Buffer; release: (() => void) | null }[] = [];

  constructor() {
    ({ promise: this.over, resolve: this.#settle } = Promise.withResolvers<void>());
  }

  get digest(): string {
    return this.#hash.copy().digest('hex');
  }

  whole(head: { status: number }, body: string | Buffer): void {
    this.head(head, body);
    this.end();
  }

  head({ status }: { status: number }, first: string | Buffer | null): void {
    this.status = status;
    if (first !== null) this.data(typeof first === 'string' ? Buffer.from(first, 'latin1') : first, null);
  }

  data(chunk: Buffer, release: (() => void) | null): void {
    // Looked at only later: a buffer that is read to meanwhile would show.
    this.#held.push({ chunk, release });
    this.bytes += chunk.length;
    if (random() < 0.3) {
      this.exchange?.pause();
      setImmediate(() => {
        this.#take();
        this.exchange?.resume();
      });
    } else if (this.#held.length > 4) this.#take();
  }

  end(): void {
    this.#take();
    this.#settle();
  }

  failed(failure: UpstreamFailure): void {
    this.failure = failure;
    this.#settle();
  }

  #take(): void {
    for (const { chunk, release } of this.#held) {
      this.#hash.update(chunk);
      release?.();
    }
    this.#held = [];
  }
}

/** A body that comes in pieces, the first ones at once. */
class PiecewiseBody implements BodySource {
  isEnded = false;
  readonly #pieces: Buffer[];
  #sink: BodySink | null = null;
  #hasRoom = true;

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = [...pieces];
  }

  open(): Buffer | null {
    return random() < 0.5 ? null : this.#next();
  }

  flow(sink: BodySink): void {
    this.#sink = sink;
    setImmediate(this.#pump);
  }

  resume(): void {
    this.#hasRoom = true;
    this.#pump();
  }

  readonly #pump = (): void => {
    while (this.#hasRoom && !this.isEnded) {
      const chunk = this.#next();
      this.#hasRoom = this.#sink!.take(chunk, this.isEnded);
    }
  };

  #next(): Buffer | null {
    const chunk = this.#pieces.shift() ?? null;
    this.isEnded = this.#pieces.length === 0;
    return chunk;
  }
}

function pieces(bytes: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Math.ceil((random() < 0.5 ? 100_000 : 3000) * random());
    all.push(bytes.subarray(at, at + length));
    at += length;
  }
  return all;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe(`bodies (WIRE_SEED=${seed})`, () => {
  let server: Server;
  let connections: Connections;
  const clients = new Set<Socket>();
  const content = randomBytes(6_000_000);

  before(async () => {
    server = createServer((request, response) => {
      clients.add(request.socket);
      const [, framing, length] = request.url!.split('/');
      if (framing === 'echo') return void request.pipe(response);
      const body = content.subarray(0, Number(length));
      if (framing === 'length') return void response.writeHead(200, { 'Content-Length': length }).end(body);
      if (framing === 'close') {
        response.useChunkedEncodingByDefault = false;
        response.shouldKeepAlive = false;
      }
      const rest = pieces(body);
      const more = (): void => {
        while (rest.length > 0) if (!response.write(rest.shift())) return void response.once('drain', more);
        response.end();
      };
      more();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    connections = new Connections(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, LIMITS);
  });
  after(async () => {
    await connections.close();
    await new Promise((resolve) => server.close(resolve));
  });

  async function ask(path: string, body: BodySource | null, contentLength: number | null): Promise<SlowTaker> {
    const taker = new SlowTaker();
    const method = body === null ? 'GET' : 'POST';
    taker.exchange = connections.send({ method, path, fields: [], body, contentLength }, taker, performance.now());
    await inTime(taker.over, path, 10_000);
    assert.equal(taker.failure, null, path);
    return taker;
  }

  const lengths = [0, 1, 1000, 16_384, 16_385, 65_536, 70_000, 300_000, 6_000_000];
  for (const framing of ['length', 'chunked', 'close']) {
    test(`answers framed by ${framing}, several at once, to takers who hold on to what they got`, async () => {
      const all = [...lengths, ...lengths].map(async (length) => {
        const taker = await ask(`/${framing}/${length}`, null, 0);
        assert.equal(taker.bytes, length);
        assert.equal(taker.digest, sha256(content.subarray(0, length)), `${framing} ${length}`);
      });
      await Promise.all(all);
    });
  }

  for (const isChunked of [false, true]) {
    test(`requests ${isChunked ? 'in chunks' : 'of a declared length'}, echoed while they are sent`, async () => {
      const all = lengths.slice(1).map(async (length) => {
        const bytes = content.subarray(0, length);
        const taker = await ask('/echo', new PiecewiseBody(pieces(bytes)), isChunked ? null : length);
        assert.equal(taker.digest, sha256(bytes), `${length}`);
      });
      await Promise.all(all);
    });
  }

  test('an empty body in chunks', async () => {
    assert.equal((await ask('/echo', new PiecewiseBody([]), null)).bytes, 0);
  });
});
