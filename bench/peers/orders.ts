// What a peer written in Node is told on its command line.
import type { BenchKey } from '../keys.ts';

export interface PeerOrders {
  readonly port: number;
  /** Origin of the upstream. */
  readonly upstream: string;
  readonly redisPort: number;
  readonly keys: readonly BenchKey[];
  readonly allow: readonly string[];
  readonly scope: string;
  /** Whether connections to the upstream are kept. */
  readonly keepsUpstream: boolean;
  /** Second half of a key, for a peer whose keys have two. */
  readonly secret: string;
  /** Where the small limit is, for a peer that cannot give it to one key. */
  readonly tinyPath: string;
  readonly limits: { readonly aMinute: number; readonly aDay: number; readonly tiny: number };
}

/** A file that holds them: a command line has no room for many keys. */
export function ordersFile(): string {
  const file = process.argv[2];
  if (file === undefined) throw new Error('the first word is the file with the orders');
  return file;
}
