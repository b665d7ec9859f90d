// How a case's bytes are sent: on a fresh connection, as the second request on a used one, behind an upgrade that the
// upstream refuses, and through one that it grants; whole, cut, or byte by byte. A plain request stands behind each
// case: the next one on the connection, whose answer an attack would like to be another's.
import { setImmediate as turn } from 'node:timers/promises';
import { RawClient } from '../../support/raw-client.ts';
import { eventually } from '../../support/acceptance-wait.ts';
import { HOST, KEYS, type Arena } from './arena.ts';

export const WAYS = ['fresh', 'second', 'refused upgrade', 'tunnel'] as const;
export type Way = (typeof WAYS)[number];

/** Where the bytes are cut, ascending; `bytewise` is between any two. */
export type Cuts = readonly number[] | 'bytewise';

/** The request behind every case; it ends the connection. */
export const NEXT = request('/open/next', { fields: 'Connection: close\r\n' });

/** A plain request with the reader's key. @param fields further field lines */
export function request(target: string, options: { readonly method?: string; readonly fields?: string } = {}): string {
  const { method = 'GET', fields = '' } = options;
  return `${method} ${target} HTTP/1.1\r\nHost: ${HOST}\r\nx-api-key: ${KEYS.reader}\r\n${fields}\r\n`;
}

/** A WebSocket handshake with the reader's key. */
export function handshake(target: string): string {
  return request(target, {
    fields:
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
  });
}

/** A tunnel's bytes are there within a turn or two. */
const TUNNEL_LOOKS = { everyMs: 0 };

/** The largest case that is written byte by byte. */
const MOST_BYTEWISE = 2048;

/** What a client got for a case. */
export interface Played {
  /** One character a byte. */
  readonly text: string;
  /** Whether it still sent when the connection was closed: what it had been answered may be lost then (RFC 9112 section 9.6). */
  readonly wasReset: boolean;
}

/**
 * Sends a case and gives what the client got for it.
 * @param answers how many answers are waited for in any case
 * @param withinMs how long a connection is waited for that the case leaves open; then the client aborts
 */
export async function play(
  { gateway, recorder }: Arena,
  bytes: Buffer,
  how: { readonly way: Way; readonly cuts: Cuts; readonly withinMs: number; readonly answers?: number },
): Promise<Played> {
  const { way, cuts, withinMs, answers = 0 } = how;
  const client = await RawClient.open(gateway.proxyPort);
  try {
    const all = Buffer.concat([bytes, Buffer.from(NEXT)]);
    let from = 0;
    if (way === 'second') {
      client.write(request('/open/first'));
      from = (await client.until('GET /open/first')).length;
    } else if (way !== 'fresh') {
      client.write(handshake(way === 'tunnel' ? '/socket/tunnel' : '/socket/refused'));
    }
    await write(client, all, cuts);
    if (way === 'tunnel') {
      await client.until('\r\n\r\n');
      await eventually(() => {
        const seen = recorder.connections.at(-1)?.tunnelled();
        if (!seen?.equals(all)) throw new Error(`a tunnel of ${seen?.length} bytes for ${all.length}`);
      }, TUNNEL_LOOKS);
    } else {
      await client.rest(withinMs).catch(() => {});
      // A busy machine may take longer.
      await client.wait((text) => finalAnswers(text.slice(from)) >= answers, 'the answers').catch(() => {});
    }
    return { text: client.text.slice(from), wasReset: client.wasReset };
  } finally {
    client.destroy();
  }
}

function finalAnswers(text: string): number {
  return text.match(/HTTP\/1\.1 (?:101|[2-5]\d\d) /g)?.length ?? 0;
}

async function write(client: RawClient, bytes: Buffer, cuts: Cuts): Promise<void> {
  const places =
    cuts !== 'bytewise' ? cuts : bytes.length > MOST_BYTEWISE ? [] : Array.from(bytes.keys(), (at) => at + 1);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    if (to <= from || client.isOver) continue;
    client.write(bytes.subarray(from, to));
    from = to;
    await turn();
  }
}
