// What becomes of a field by its name, worked out once a spelling: the same few dozen names come with
// every message.
import { BOUNDS } from '../core/bounds.ts';

/** `connection`: its value names further fields that end here. `authorization`, `framing`: the value decides. */
export type Fate = 'pass' | 'drop' | 'connection' | 'authorization' | 'content-length' | 'transfer-encoding';

export class FieldFates {
  readonly #classify: (evenName: string) => Fate;
  readonly #known = new Map<string, Fate>();

  /** @param classify the fate of a name in lower case with dashes for `_` and `.` */
  constructor(classify: (evenName: string) => Fate) {
    this.#classify = classify;
  }

  /** The fate of a field, whatever the spelling of its name. */
  of(name: string): Fate {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const fate = this.#classify(evenName(name));
    if (this.#known.size < BOUNDS.headerNames) this.#known.set(name, fate);
    return fate;
  }
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
