// Keys that users already hold, taken in from another system. Everything is looked at first, and nothing is
// written unless all of it is good; what is there already is left as it is, so an import can be run again.
import { createHash } from 'node:crypto';
import { UserFault } from '../core/fault.ts';
import type { KeyRecord } from '../core/key-record.ts';
import type { Clock, KeyStore } from '../core/ports.ts';
import type { Declarations } from './declarations.ts';
import { differs, digestOf, entryProblems, everyDigestOf, hintOf, type ImportEntry } from './import-entry.ts';
import { tamperedSentence } from './key-view.ts';
import { newRecord } from './new-record.ts';
import { inParallel } from './parallel.ts';
import { isGenuine, type Peppers } from './peppers.ts';

/** One line of an import: an entry, or why it cannot be read as one. */
export type ImportLine = { readonly line: number } & (
  | { readonly entry: ImportEntry }
  | { readonly problems: readonly string[] }
);

/** Told how an import goes. No message holds a secret. */
export interface ImportListener {
  /** A line cannot be imported; nothing will be. */
  problem(line: number, message: string): void;
  /** A line's key is there already, with other grants than the line has; it stays as it is. */
  differs(line: number, message: string): void;
  /** How many lines are behind it. */
  progress(phase: 'checked' | 'imported', lines: number): void;
  /** A line's key is in the store, `isNew` if it was not before. Resolves when the next may be told. */
  stored(record: KeyRecord, isNew: boolean): Promise<void>;
}

export interface ImportCount {
  readonly imported: number;
  /** Lines whose key was there already. */
  readonly present: number;
  /** Problems; above 0 nothing was imported. */
  readonly problems: number;
}

interface ImportContext {
  readonly store: KeyStore;
  readonly peppers: Peppers;
  readonly declarations: Declarations;
  readonly prefix: string;
  readonly now: Clock;
  readonly newId: () => string;
}

/** What the store says of an entry. */
type Standing =
  | { readonly kind: 'new' }
  | { readonly kind: 'present'; readonly record: KeyRecord; readonly differs: boolean }
  | { readonly kind: 'problem'; readonly message: string };

/** Store operations under way at once. */
const WIDTH = 32;
/** Generated ids that may turn out taken before it is something else that is wrong. */
const TRIES = 4;

/**
 * Imports keys. The lines are read twice, so that nothing of them is held meanwhile but a short digest a line.
 * @throws {UserFault} if the lines changed between the two readings, or another writer came between
 * @throws {StoreFault}
 */
export async function importKeys(
  open: () => AsyncIterable<ImportLine>,
  told: ImportListener,
  context: ImportContext,
): Promise<ImportCount> {
  const { problems, lines } = await checkAll(open(), told, context);
  if (problems > 0) return { imported: 0, present: 0, problems };
  const stored = await storeAll(open(), told, context);
  if (stored.imported + stored.present !== lines) throw changedMeanwhile('the number of lines');
  return { ...stored, problems };
}

async function checkAll(
  lines: AsyncIterable<ImportLine>,
  told: ImportListener,
  context: ImportContext,
): Promise<{ readonly problems: number; readonly lines: number }> {
  const seen = new Duplicates();
  let problems = 0;
  let count = 0;
  const checked = inParallel(lines, WIDTH, async (item) => {
    const found = 'entry' in item ? [...entryProblems(item.entry, context), ...seen.add(item)] : item.problems;
    if (found.length > 0 || !('entry' in item)) return { line: item.line, found };
    const standing = await standingOf(item.entry, context);
    return { line: item.line, found: standing.kind === 'problem' ? [standing.message] : [] };
  });
  for await (const { line, found } of checked) {
    for (const message of found) told.problem(line, message);
    problems += found.length;
    told.progress('checked', ++count);
  }
  return { problems, lines: count };
}

async function storeAll(
  lines: AsyncIterable<ImportLine>,
  told: ImportListener,
  context: ImportContext,
): Promise<{ imported: number; present: number }> {
  let imported = 0;
  let present = 0;
  const stored = inParallel(lines, WIDTH, async (item) => {
    if (!('entry' in item) || entryProblems(item.entry, context).length > 0)
      throw changedMeanwhile(`line ${item.line}`);
    return { ...item, ...(await storeOne(item.line, item.entry, context)) };
  });
  for await (const { line, record, isNew, differs } of stored) {
    if (isNew) imported++;
    else present++;
    if (differs) {
      told.differs(line, `key ${record.id} is there already with other grants, and was left as it is`);
    }
    await told.stored(record, isNew);
    told.progress('imported', imported + present);
  }
  return { imported, present };
}

async function storeOne(
  line: number,
  entry: ImportEntry,
  context: ImportContext,
): Promise<{ record: KeyRecord; isNew: boolean; differs: boolean }> {
  const { store, declarations } = context;
  for (let tries = 0; tries < TRIES; tries++) {
    const standing = await standingOf(entry, context);
    if (standing.kind === 'problem') throw new UserFault(`line ${line}: ${standing.message}; run the import again`);
    if (standing.kind === 'present') return { ...standing, isNew: false };
    const { id = context.newId(), grants, meta } = entry;
    const secret = {
      digest: digestOf(entry, context.peppers),
      hint: hintOf(entry, context.prefix),
      createdAt: context.now(),
      endsAt: null,
    };
    const record = newRecord({ id, declared: declarations.keys.has(id), grants, meta, secret }, context.peppers);
    if ((await store.save(record, 0)) === 'saved') return { record, isNew: true, differs: false };
  }
  throw new UserFault(`line ${line}: others are writing the same key; run the import again`);
}

async function standingOf(entry: ImportEntry, context: ImportContext): Promise<Standing> {
  const { store, peppers } = context;
  const [bySecret, byId] = await Promise.all([
    store.findByDigest(everyDigestOf(entry, peppers)),
    entry.id === undefined ? ('absent' as const) : store.get(entry.id),
  ]);
  for (const found of [bySecret, byId]) {
    if (found !== 'absent' && !isGenuine(peppers, found))
      return { kind: 'problem', message: tamperedSentence(found.id) };
  }
  if (bySecret !== 'absent') {
    return entry.id === undefined || entry.id === bySecret.id
      ? { kind: 'present', record: bySecret, differs: differs(entry, bySecret) }
      : { kind: 'problem', message: `its secret already belongs to key ${bySecret.id}` };
  }
  return byId === 'absent'
    ? { kind: 'new' }
    : { kind: 'problem', message: `key ${byId.id} exists already with another secret; take another id` };
}

function changedMeanwhile(what: string): UserFault {
  return new UserFault(`${what} changed while the file was imported; what was read before is in; run the import again`);
}

/** Ids and secrets that an import has had before, each by the line of the first. */
class Duplicates {
  readonly #lines = new Map<string, number>();

  /** Problems of one line. */
  add({ line, entry }: { readonly line: number; readonly entry: ImportEntry }): string[] {
    const { id, secret } = entry;
    const sha256 = 'text' in secret ? createHash('sha256').update(secret.text).digest() : Buffer.from(secret.sha256);
    return [
      ...(id === undefined ? [] : this.#note(`id ${id}`, line, 'id')),
      ...this.#note(sha256.toString('base64'), line, 'secret'),
    ];
  }

  #note(value: string, line: number, field: string): string[] {
    const first = this.#lines.get(value);
    if (first !== undefined) return [`its ${field} stands on line ${first} already`];
    this.#lines.set(value, line);
    return [];
  }
}
