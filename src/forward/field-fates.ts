// What becomes of a field by its name, worked out once a spelling: the same few dozen names come with
// every message.
import { BOUNDS } from '../core/bounds.ts';

/** `connection`: its value names further fields that end here. `authorization`, `framing`: the value decides. */
export type Fate = 'pass' | 'drop' | 'connection' | 'authorization' | 'content-length' | 'transfer-encoding';

export class FieldFates {
  readonly #classify: (evenName: string) => Fate;
  readonly #known = new Map<string, Fate>();
  /** By length, which first characters a name that does not simply pass may have: a bit a letter. */
  readonly #suspects = new Uint32Array(SUSPECT_LENGTHS);

  /**
   * @param classify the fate of a name in lower case with dashes for `_` and `.`
   * @param names all names, so spelled, that do not pass
   * @param prefixes beginnings of further ones
   */
  constructor(classify: (evenName: string) => Fate, names: Iterable<string>, prefixes: readonly string[] = []) {
    this.#classify = classify;
    for (const name of names) this.#suspect(name, name.length, name.length);
    for (const prefix of prefixes) this.#suspect(prefix, prefix.length, SUSPECT_LENGTHS);
  }

  #suspect(evenName: string, least: number, most: number): void {
    const first = evenName.charCodeAt(0);
    // A dash stands for three characters.
    const bit = first === DASH ? -1 : letterBit(first);
    for (let length = least; length <= most; length++) this.#suspects[Math.min(length, SUSPECT_LENGTHS - 1)]! |= bit;
  }

  /** The fate of a field, whatever the spelling of its name. */
  of(name: string): Fate {
    // Most names pass; length and first character tell so of nearly all of them, for a tenth of a look-up.
    const suspects = this.#suspects[Math.min(name.length, SUSPECT_LENGTHS - 1)]!;
    if ((suspects & letterBit(name.charCodeAt(0))) === 0) return 'pass';
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const fate = this.#classify(evenName(name));
    if (this.#known.size < BOUNDS.headerNames) this.#known.set(name, fate);
    return fate;
  }
}

const DASH = 0x2d;
/** Lengths told apart; longer names count as this long. */
const SUSPECT_LENGTHS = 64;

/** The bit of a letter in either case; of what is none, a bit that letters with its last five bits share. */
function letterBit(code: number): number {
  return 1 << (code & 0x1f);
}

/**
 * The one spelling of all that an application may take for the same name: CGI, WSGI and their like turn
 * `-`, `_` and often `.` into one character.
 */
export function evenName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-').replaceAll('.', '-');
}

/** Fields that end at the next hop (RFC 9110 section 7.6.1, and those that RFC 2616 listed). */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The field names among the options of Connection fields, lower case; undefined where there are none. */
export function namedByConnection(value: string, named: Set<string> | undefined): Set<string> | undefined {
  // What nearly every message says.
  if (value === 'keep-alive' || value === 'close') return named;
  let all = named;
  for (const option of value.toLowerCase().split(',')) {
    const name = option.trim();
    if (name !== '' && name !== 'close' && name !== 'keep-alive' && name !== 'upgrade') (all ??= new Set()).add(name);
  }
  return all;
}

/** The fields (name, value, name, value) without those of the names, which are lower case. */
export function withoutNamed(fields: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    if (!names.has(fields[at]!.toLowerCase())) kept.push(fields[at]!, fields[at + 1]!);
  }
  return kept;
}
