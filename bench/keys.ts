// The keys of a run, the same in every run: each stack is given all of them in its own form.
import { createHash } from 'node:crypto';
import { mintKeyText } from '../src/core/api-key.ts';

export interface BenchKey {
  readonly id: string;
  readonly text: string;
  /** Of the text, hex. */
  readonly sha256: string;
  readonly owner: string;
  readonly scope: string;
  readonly plan: 'standard' | 'tiny';
}

export const SCOPE = 'orders:read';
/** Where keys may be used from. A request from any other loopback address has to be denied. */
export const ALLOWED = ['127.0.0.1/32', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '2001:db8::/32'] as const;
/** An address of this machine that is not {@link ALLOWED}. */
export const STRANGER = '127.0.0.2';
/** What a key of the plan `standard` may do; one that is used up would end a measurement. */
export const LIMITS = { aMinute: 1_000_000, aDay: 100_000_000 } as const;
/** What a key of the plan `tiny` may do a minute. */
export const TINY_LIMIT = 2;

const SEED = 'portcullis bench 1';
const WORKING_SET = 256;

export interface KeySet {
  /** Those the load is made with, in turn. */
  readonly working: readonly BenchKey[];
  /** Lacks the scope. */
  readonly powerless: BenchKey;
  readonly tiny: BenchKey;
  readonly all: readonly BenchKey[];
}

/** @param count size of the working set */
export function keySet(count = WORKING_SET): KeySet {
  const working = Array.from({ length: count }, (_, at) => benchKey(`bench-${at}`));
  const powerless = benchKey('powerless', { scope: 'other:read' });
  const tiny = benchKey('tiny', { plan: 'tiny' });
  return { working, powerless, tiny, all: [...working, powerless, tiny] };
}

/** A key's text that no stack knows. */
export function unknownText(): string {
  return textOf('unknown');
}

export function benchKey(id: string, differs: Partial<BenchKey> = {}): BenchKey {
  const text = textOf(id);
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { id, text, sha256, owner: `owner-of-${id}`, scope: SCOPE, plan: 'standard', ...differs };
}

function textOf(id: string): string {
  return mintKeyText('ptc_live', createHash('sha256').update(`${SEED}/${id}`).digest());
}
