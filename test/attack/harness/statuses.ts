// Many requests whose answers matter by their status alone, one after the other.
import { RawClient } from '../../support/raw-client.ts';

/** So many go over one connection, which is pipelined. */
const AT_ONCE = 100;

/** Sends requests, each with its Host in the second line; their statuses in order. */
export async function statusesOf(port: number, requests: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  for (let at = 0; at < requests.length; at += AT_ONCE) {
    const some = requests.slice(at, at + AT_ONCE);
    const last = some.pop()?.replace('\r\nHost', '\r\nConnection: close\r\nHost') ?? '';
    const text = await RawClient.exchange(port, some.join('') + last, 20_000);
    statuses.push(...[...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)));
  }
  return statuses;
}
