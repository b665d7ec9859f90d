// The short ways around node:http's request and response: whatever goes one of them reads as Node's own would.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { LeanRequest } from '../../src/fronts/lean-request.ts';
import { LeanResponse } from '../../src/fronts/lean-response.ts';

interface Case {
  readonly name: string;
  readonly request: string;
  readonly status: number;
  readonly reason?: string;
  readonly fields: readonly string[];
  readonly body?: string;
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LAST_GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const TEXT = ['Content-Type', 'text/plain', 'Content-Length', '5'];

const CASES: readonly Case[] = [
  { name: 'a small whole answer', request: GET, status: 200, fields: TEXT, body: 'hello' },
  {
    name: 'an answer with its own Date',
    request: GET,
    status: 200,
    fields: [...TEXT, 'Date', 'Tue, 24 Nov 2026 21:00:00 GMT'],
    body: 'hello',
  },
  {
    name: 'bytes above ASCII',
    request: GET,
    status: 200,
    fields: [...TEXT, 'X-Name', 'caf\xe9'],
    body: 'h\xe9l\xfc\xff',
  },
  { name: 'a reason of its own', request: GET, status: 200, reason: 'Fine', fields: TEXT, body: 'hello' },
  { name: 'an empty reason', request: GET, status: 200, reason: '', fields: TEXT, body: 'hello' },
  { name: 'a status without a known reason', request: GET, status: 299, fields: TEXT, body: 'hello' },
  { name: 'an empty body', request: GET, status: 200, fields: ['Content-Length', '0'] },
  { name: 'no length: chunked', request: GET, status: 200, fields: ['Content-Type', 'text/plain'], body: 'hello' },
  {
    name: "a length that is not the body's",
    request: GET,
    status: 200,
    fields: ['Content-Length', '9'],
    body: 'hello',
  },
  { name: 'chunked as asked', request: GET, status: 200, fields: ['Transfer-Encoding', 'chunked'], body: 'hello' },
  { name: '204', request: GET, status: 204, fields: ['X-A', '1'] },
  { name: '304 with a length', request: GET, status: 304, fields: TEXT },
  { name: 'HEAD', request: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', status: 200, fields: TEXT },
  {
    name: 'HEAD, answered with a body by mistake',
    request: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    status: 200,
    fields: TEXT,
    body: 'hello',
  },
  { name: 'a client that ends its connection', request: LAST_GET, status: 200, fields: TEXT, body: 'hello' },
  {
    name: 'an answer that ends the connection',
    request: GET,
    status: 200,
    fields: [...TEXT, 'Connection', 'close'],
    body: 'hello',
  },
  { name: 'HTTP/1.0', request: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', status: 200, fields: TEXT, body: 'hello' },
  {
    name: 'HTTP/1.0, kept alive',
    request: 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
    status: 200,
    fields: TEXT,
    body: 'hello',
  },
  {
    name: 'HTTP/1.0 without a length',
    request: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
    status: 200,
    fields: [],
    body: 'hello',
  },
  {
    name: 'several fields of one name',
    request: GET,
    status: 200,
    fields: [...TEXT, 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
    body: 'hello',
  },
];

describe('lean request and response', () => {
  let answer: RequestListener = () => {};
  const servers: Server[] = [];
  const start = async (options: ServerOptions): Promise<number> => {
    const server = createServer({ keepAliveTimeout: 65_000, ...options } as ServerOptions, (request, response) =>
      answer(request, response),
    );
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  let nodes = 0;
  let lean = 0;
  before(async () => {
    nodes = await start({});
    const ours = {
      IncomingMessage: LeanRequest,
      ServerResponse: LeanResponse,
      optimizeEmptyRequests: true,
      requireHostHeader: false,
    };
    lean = await start(ours as unknown as ServerOptions);
  });
  after(() => {
    for (const server of servers) server.close().closeAllConnections();
  });

  for (const { name, request, status, reason, fields, body } of CASES) {
    it(`${name}: the same as Node's`, async () => {
      answer = (_request, response) => {
        if (reason === undefined) response.writeHead(status, [...fields]);
        else response.writeHead(status, reason, [...fields]);
        if (body === undefined) response.end();
        else response.end(body, 'latin1');
      };
      // The request behind it, if it is still read, shows where the answer ended.
      const sent = request + LAST_GET;
      assert.deepEqual(linesOf(await exchange(lean, sent)), linesOf(await exchange(nodes, sent)));
    });
  }

  it('pipelined requests are answered in their order, whichever is ready first', async () => {
    const waiting: (() => void)[] = [];
    answer = (request, response) => {
      const finish = () => {
        response.writeHead(200, ['Content-Length', '2']);
        response.end(request.url, 'latin1');
      };
      if (waiting.push(finish) === 3) for (const each of waiting.toReversed()) each();
    };
    const sent = ['/1', '/2', '/3'].map(
      (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n${path === '/3' ? 'Connection: close\r\n' : ''}\r\n`,
    );
    const received = await exchange(lean, sent.join(''));
    assert.deepEqual(received.match(/(?<=\r\n\r\n)\/\d/g), ['/1', '/2', '/3']);
  });

  it('an answer without a 100 Continue before it ends the connection of a client that expects one', async () => {
    answer = (_request, response) => {
      response.writeHead(403, ['Content-Length', '0']);
      response.end();
    };
    servers[1]!.once('checkContinue', answer);
    const received = await exchange(
      lean,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n',
    );
    assert.match(received, /^HTTP\/1\.1 403 Forbidden\r\n/);
    assert.match(received, /\r\nConnection: close\r\n/);
  });

  it('a written answer is finished and closed once, and is never written again', async () => {
    const events: string[] = [];
    answer = (_request, response) => {
      response.on('finish', () => events.push('finish')).on('close', () => events.push('close'));
      response.writeHead(200, [...TEXT]);
      assert.equal(response.headersSent, true);
      response.end('hello', 'latin1');
      assert.deepEqual([response.writableEnded, response.writableFinished], [true, true]);
      assert.throws(() => response.writeHead(200, [...TEXT]), { code: 'ERR_HTTP_HEADERS_SENT' });
      response.end('again', 'latin1');
      response.on('error', () => {});
    };
    const received = await exchange(lean, LAST_GET);
    assert.equal(received.split('hello').length, 2);
    assert.equal(received.includes('again'), false);
    assert.deepEqual(events, ['finish', 'close']);
  });

  it('an answer whose client goes away is told so once, the first on a connection and a later one', async () => {
    for (const earlier of [0, 1]) {
      const closes: boolean[] = [];
      const gone = Promise.withResolvers<void>();
      const arrived = Promise.withResolvers<void>();
      let toAnswer = earlier;
      answer = (_request, response) => {
        if (toAnswer-- > 0) {
          response.writeHead(200, ['Content-Length', '0']);
          response.end();
          return;
        }
        response.on('close', () => {
          closes.push(response.writableFinished);
          gone.resolve();
        });
        arrived.resolve();
      };
      const socket = connect(lean, '127.0.0.1', () => socket.write(GET.repeat(earlier + 1)));
      socket.resume();
      await arrived.promise;
      socket.resetAndDestroy();
      await gone.promise;
      assert.deepEqual(closes, [false]);
    }
  });

  it('a body that streams behind a head of ours is whole', async () => {
    const part = 'x'.repeat(100_000);
    answer = (_request, response) => {
      response.writeHead(200, ['Content-Length', String(3 * part.length)]);
      response.flushHeaders();
      response.write(Buffer.from(part));
      response.write(Buffer.from(part));
      response.end(part, 'latin1');
    };
    const received = await exchange(lean, LAST_GET);
    assert.equal(received.length - received.indexOf('\r\n\r\n') - 4, 3 * part.length);
  });
});

/** Sends bytes and resolves with all that came back when the server has closed. */
function exchange(port: number, sent: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(sent, 'latin1'));
    let received = '';
    socket.setEncoding('latin1').on('data', (text: string) => (received += text));
    socket
      .on('end', () => socket.end())
      .on('close', () => resolve(received))
      .on('error', reject);
  });
}

/** The lines of an exchange; fields of a head in any order, and Date without its value. */
function linesOf(received: string): string[][] {
  return received.split('\r\n\r\n').map((part) =>
    part
      .split('\r\n')
      .map((line) => (line.startsWith('Date: ') ? 'Date' : line))
      .sort(),
  );
}
