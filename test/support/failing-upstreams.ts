// Upstreams that fail, each in one way of its own, as scripts over raw sockets; and what SPEC section 5 has the
// client told of it. `cut` is an answer that breaks off, so that its client can tell.
import type { Script, SeenConnection } from './recording-upstream.ts';

export interface FailingUpstream {
  readonly name: string;
  readonly script: Script;
  /** What the client sees: a status with its code, `cut`, or an answer that is as good as any. */
  readonly seen: '502 upstream_unreachable' | '502 upstream_invalid' | '504 upstream_timeout' | 'cut' | '200';
  /** Asked with this method (default GET). */
  readonly method?: string;
}

const HEAD = 'HTTP/1.1 200 OK\r\n';
const SIZED = `${HEAD}Content-Length: 100000\r\n\r\n`;
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

/** Once the request's head is there. */
function then(act: (connection: SeenConnection) => void): Script {
  return async (connection) => {
    await connection.until('\r\n\r\n');
    act(connection);
  };
}

/** Writes the same bytes for as long as somebody reads them. */
function endlessly(first: string, bytes: string): Script {
  return then(({ socket }) => {
    socket.on('error', () => {});
    socket.write(first);
    const more = (): void => {
      while (!socket.destroyed && socket.write(bytes));
    };
    socket.on('drain', more);
    more();
  });
}

/** Writes one byte after the other, slowly, and never comes to an end. */
function dripping(bytes: string): Script {
  return then(({ socket }) => {
    let at = 0;
    const timer = setInterval(() => socket.write(bytes[at++] ?? 'y'), 25);
    socket.on('error', () => {}).once('close', () => clearInterval(timer));
  });
}

export const FAILING_UPSTREAMS: readonly FailingUpstream[] = [
  { name: 'silent', script: then(() => {}), seen: '504 upstream_timeout' },
  { name: 'never reads', script: ({ socket }) => void socket.pause(), seen: '504 upstream_timeout' },
  { name: 'a head that drips', script: dripping(`${HEAD}X: `), seen: '504 upstream_timeout' },
  { name: 'silent within its body', script: then(({ socket }) => void socket.write(`${SIZED}part`)), seen: 'cut' },
  { name: 'closes at once', script: ({ socket }) => void socket.end(), seen: '502 upstream_unreachable' },
  {
    name: 'closes behind the request',
    script: then(({ socket }) => void socket.end()),
    seen: '502 upstream_unreachable',
  },
  { name: 'resets', script: then(({ socket }) => void socket.resetAndDestroy()), seen: '502 upstream_unreachable' },
  { name: 'closes behind a byte', script: then(({ socket }) => void socket.end('H')), seen: '502 upstream_invalid' },
  {
    name: 'closes within its head',
    script: then(({ socket }) => void socket.end(`${HEAD}X: y\r\n`)),
    seen: '502 upstream_invalid',
  },
  {
    name: 'resets within its body',
    script: then(
      ({ socket }) => void socket.write(`${SIZED}part`, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ),
    seen: 'cut',
  },
  { name: 'closes within its body', script: then(({ socket }) => void socket.end(`${SIZED}part`)), seen: 'cut' },
  {
    name: 'closes before the last chunk',
    script: then(({ socket }) => void socket.end(`${CHUNKED}4\r\npart\r\n`)),
    seen: 'cut',
  },
  {
    name: 'garbage',
    script: then(({ socket }) => void socket.end(Buffer.alloc(4096, 0x80))),
    seen: '502 upstream_invalid',
  },
  {
    name: 'TLS',
    script: then(({ socket }) => void socket.end(Buffer.from('150301000202460000', 'hex'))),
    seen: '502 upstream_invalid',
  },
  {
    name: 'endless interim answers',
    script: endlessly('', 'HTTP/1.1 102 Processing\r\n\r\n'),
    seen: '502 upstream_invalid',
  },
  { name: 'an endless head', script: endlessly(HEAD, `X: ${'y'.repeat(1_000)}\r\n`), seen: '502 upstream_invalid' },
  {
    name: 'an endless status line',
    script: endlessly('HTTP/1.1 200 ', 'y'.repeat(1_000)),
    seen: '502 upstream_invalid',
  },
  { name: 'an endless chunk size', script: endlessly(CHUNKED, '0'.repeat(1_000)), seen: 'cut' },
  {
    name: 'an endless trailer section',
    script: endlessly(`${CHUNKED}0\r\n`, `X: ${'y'.repeat(1_000)}\r\n`),
    seen: 'cut',
  },
  { name: 'an endless body to HEAD', script: endlessly(SIZED, 'y'.repeat(1_000)), seen: '200', method: 'HEAD' },
  {
    name: 'half closed, and answers',
    script: then(({ socket }) => void socket.end(`${HEAD}Content-Length: 2\r\n\r\nok`)),
    seen: '200',
  },
];
