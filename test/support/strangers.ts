// Strangers in any number: requests with bad keys, each another one and each from another address, as fast as a gateway
// takes them. A benchmark and a test send the same.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { checksum } from './acceptance-key-text.ts';

/** How a bad key is bad, in turn. */
export const STRANGER_KINDS = [
  'no key at all',
  'wrong checksum',
  'well-formed, unknown',
  'opaque of any length',
] as const;

/** Answers by status. */
export type Statuses = Record<number, number>;

export interface Crowd {
  readonly port: number;
  /** Requests with a number from here on, up to below `to`. */
  readonly from: number;
  readonly to: number;
  readonly connections: number;
  /** Requests of a connection that are under way at once. */
  readonly ahead: number;
}

/** Sends them all over kept connections, pipelined; the gateway has to trust 127.0.0.1 as a proxy. */
export async function sendStrangers(crowd: Crowd): Promise<Statuses> {
  const statuses: Statuses = {};
  let next = crowd.from;
  const take = () => (next < crowd.to ? next++ : undefined);
  await Promise.all(Array.from({ length: crowd.connections }, () => oneConnection(crowd, take, statuses)));
  return statuses;
}

/** How many addresses the first so many requests come from. */
export function strangerAddresses(requests: number): number {
  return requests === 0 ? 0 : addressOf(requests - 1) + 1;
}

/** Of 51 addresses one sends more than the guard grants, the others a few. */
const MANY = 25;
const FEW = 5;
const FEW_SENDERS = 50;

function addressOf(number: number): number {
  const perGroup = MANY + FEW * FEW_SENDERS;
  const [group, within] = [Math.floor(number / perGroup), number % perGroup];
  return group * (1 + FEW_SENDERS) + (within < MANY ? 0 : 1 + Math.floor((within - MANY) / FEW));
}

/** The request of a number: always the same, and no two alike. */
function strangerRequest(number: number): string {
  const address = addressText(addressOf(number));
  return `GET /orders/7 HTTP/1.1\r\nHost: gateway.test\r\nX-Api-Key: ${badKey(number)}\r\nX-Forwarded-For: ${address}\r\n\r\n`;
}

/** Half of them IPv4 addresses, half of them IPv6 networks of 64 bits. */
function addressText(number: number): string {
  const half = number >>> 1;
  const [high, low] = [(half >>> 16) & 0xffff, half & 0xffff];
  if (number % 2 === 1) return `2001:db8:${high.toString(16)}:${low.toString(16)}::1`;
  // Behind 100.0.0.0, and far from what a test trusts.
  return `${100 + ((half >>> 24) & 63)}.${(half >>> 16) & 255}.${(half >>> 8) & 255}.${half & 255}`;
}

function badKey(number: number): string {
  const digits = createHash('sha256').update(`stranger ${number}`).digest('hex').slice(0, 43);
  const body = `ptc_live_${digits}`;
  switch (STRANGER_KINDS[number % STRANGER_KINDS.length]!) {
    case 'no key at all':
      return `short-${number}`;
    case 'wrong checksum':
      return `${body}${checksum(`${body}x`)}`;
    case 'well-formed, unknown':
      return body + checksum(body);
    case 'opaque of any length':
      return digits.repeat(12).slice(0, 16 + (crc32(digits) % 497));
  }
}

const STATUS = Buffer.from('HTTP/1.1 ');

async function oneConnection(crowd: Crowd, take: () => number | undefined, statuses: Statuses): Promise<void> {
  const socket = connect({ port: crowd.port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let underWay = 0;
  let held: Buffer = Buffer.alloc(0);
  const fill = () => {
    let bytes = '';
    while (underWay < crowd.ahead) {
      const number = take();
      if (number === undefined) break;
      bytes += strangerRequest(number);
      underWay++;
    }
    if (bytes !== '') socket.write(bytes, 'latin1');
    else if (underWay === 0) socket.end();
  };
  socket.on('data', (bytes: Buffer) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    for (;;) {
      const end = wholeAnswer(held);
      if (end === 0) break;
      const status = Number(held.toString('latin1', STATUS.length, STATUS.length + 3));
      statuses[status] = (statuses[status] ?? 0) + 1;
      held = held.subarray(end);
      underWay--;
    }
    if (underWay <= crowd.ahead / 2) fill();
  });
  fill();
  await once(socket, 'close');
  if (underWay > 0) throw new Error(`the gateway closed a connection with ${underWay} requests under way`);
}

/** Where the first answer ends; 0 while it is not there wholly. */
function wholeAnswer(bytes: Buffer): number {
  const head = bytes.indexOf('\r\n\r\n');
  if (head === -1) return 0;
  const length = /\r\ncontent-length: (\d+)/i.exec(bytes.toString('latin1', 0, head))?.[1];
  const end = head + 4 + Number(length ?? 0);
  return bytes.length < end ? 0 : end;
}
