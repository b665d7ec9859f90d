// Names of received fields, each spelling one string for all messages: what looks a name up later finds it by
// its identity, and what a name means for framing is worked out once.
import { BOUNDS } from '../core/bounds.ts';

/** What a field means to who carries the message. */
export type Meaning = 'none' | 'content-length' | 'transfer-encoding' | 'connection' | 'keep-alive';

export interface FieldName {
  /** As it was spelt. */
  readonly text: string;
  readonly meaning: Meaning;
}

const names = Array.from<FieldName | undefined>({ length: BOUNDS.upstreamFieldNames });

/**
 * The name between two places of `text`, which are also those of its octets in `bytes`.
 * @param hash of its octets; decides the place, never the outcome
 */
export function fieldName(bytes: Buffer, from: number, to: number, text: string, hash: number): FieldName {
  const place = (hash >>> 0) % BOUNDS.upstreamFieldNames;
  const known = names[place];
  if (known !== undefined && known.text === text) return known;
  // A copy: what was cut out of a head would keep all of it.
  const name = nameOf(bytes.toString('latin1', from, to));
  names[place] = name;
  return name;
}

function nameOf(text: string): FieldName {
  const lower = text.toLowerCase();
  switch (lower) {
    case 'content-length':
    case 'transfer-encoding':
    case 'connection':
    case 'keep-alive':
      return { text, meaning: lower };
    default:
      return { text, meaning: 'none' };
  }
}
