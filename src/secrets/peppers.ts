// The peppers: without them nobody can tell a key from noise, so they are never made anew where one may
// exist already, and two processes that start at once end with the same one.
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Pepper } from '../core/key-record.ts';
import { parseSecretReference } from './reference.ts';
import { resolveSecret, SecretFault } from './resolve.ts';

/** What of the configuration says where the peppers are. */
export interface PepperSettings {
  readonly store: { readonly url: string };
  readonly credentials: { readonly pepper: string; readonly previousPeppers: readonly string[] };
}

/** The pepper that new digests are made with, and those still accepted. */
export interface Peppers {
  readonly current: Pepper;
  readonly previous: readonly Pepper[];
}

/** What peppers are made from, for another process of the same gateway. */
export interface PepperSecrets {
  readonly current: Uint8Array;
  readonly previous: readonly Uint8Array[];
}

/** A fault of one reference, by its place in the configuration. */
export interface PepperProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Fewest bytes of a pepper. */
export const PEPPER_BYTES = 32;

/** As {@link readPeppers}, ready for use. */
export async function openPeppers(
  settings: PepperSettings,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void = () => {},
): Promise<Peppers> {
  return peppersOf(await readPeppers(settings, env, warn));
}

export function peppersOf({ current, previous }: PepperSecrets): Peppers {
  return { current: new Pepper(current), previous: previous.map((secret) => new Pepper(secret)) };
}

/**
 * Reads the peppers. Where the store is SQLite and the current pepper's file is missing, it is made: mode 0600,
 * its directory too, in one step.
 * @param warn is told, in one sentence each, of a pepper that was made and of one that others can read
 * @throws {SecretFault} if a reference cannot be resolved or its secret has fewer than 32 bytes
 */
export async function readPeppers(
  settings: PepperSettings,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<PepperSecrets> {
  const { pepper, previousPeppers } = settings.credentials;
  const path = filePathOf(pepper);
  if (path !== undefined && makesPepper(settings) && (await makePepperFor(settings.store.url, path)))
    warn(`made a new pepper in ${path}; keep a copy of it, because without it no key works`);
  const current = await readGuarded(pepper, env, warn);
  const previous: Uint8Array[] = [];
  for (const reference of previousPeppers) previous.push(await readGuarded(reference, env, warn));
  return { current, previous };
}

/** Every reference that {@link openPeppers} would fail on; nothing is made. */
export async function findPepperProblems(settings: PepperSettings, env: NodeJS.ProcessEnv): Promise<PepperProblem[]> {
  const { pepper, previousPeppers } = settings.credentials;
  const references = [
    { path: ['credentials', 'pepper'], reference: pepper, mayBeMissing: makesPepper(settings) },
    ...previousPeppers.map((reference, index) => ({
      path: ['credentials', 'previousPeppers', index],
      reference,
      mayBeMissing: false,
    })),
  ];
  const problems: PepperProblem[] = [];
  for (const { path, reference, mayBeMissing } of references) {
    try {
      await readPepper(reference, env);
    } catch (fault) {
      if (!(fault instanceof SecretFault)) throw fault;
      const lost = mayBeMissing && fault.isMissingFile ? await lostPepper(settings.store.url, reference) : fault;
      if (lost) problems.push({ path, message: lost.message });
    }
  }
  return problems;
}

function makesPepper({ store }: PepperSettings): boolean {
  return store.url.startsWith('sqlite:');
}

function filePathOf(reference: string): string | undefined {
  const parsed = parseSecretReference(reference);
  return parsed.ok && parsed.kind === 'file' ? parsed.path : undefined;
}

async function readGuarded(
  reference: string,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<Uint8Array> {
  const pepper = await readPepper(reference, env);
  const path = filePathOf(reference);
  if (path !== undefined && ((await stat(path)).mode & 0o077) !== 0)
    warn(`${path} can be read or written by other users; run chmod 600 on it`);
  return pepper;
}

async function readPepper(reference: string, env: NodeJS.ProcessEnv): Promise<Buffer> {
  const secret = await resolveSecret(reference, env);
  if (secret.length < PEPPER_BYTES)
    throw new SecretFault(
      `${reference} leads to ${secret.length} bytes, and a pepper takes at least ${PEPPER_BYTES}; ` +
        'make one with: head -c 48 /dev/urandom | base64',
    );
  return secret;
}

/**
 * Whether this process made the pepper of a store. A new one would make all keys of a database that is there
 * already useless; the pepper is older than its database, so the database is looked at first.
 */
async function makePepperFor(storeUrl: string, path: string): Promise<boolean> {
  const hasDatabase = await exists(databaseOf(storeUrl));
  if (hasDatabase && !(await exists(path))) throw lostPepperFault(storeUrl, path);
  return await makePepperFile(path);
}

/** What is wrong where a pepper's file is missing; undefined where it would be made. */
async function lostPepper(storeUrl: string, reference: string): Promise<SecretFault | undefined> {
  try {
    const hasDatabase = await exists(databaseOf(storeUrl));
    return hasDatabase ? lostPepperFault(storeUrl, filePathOf(reference) ?? reference) : undefined;
  } catch (fault) {
    if (fault instanceof SecretFault) return fault;
    throw fault;
  }
}

function lostPepperFault(storeUrl: string, path: string): SecretFault {
  return new SecretFault(
    `the pepper ${path} is missing, and without it no key in ${databaseOf(storeUrl)} works; ` +
      'put its copy back, or remove the database to begin anew',
  );
}

function databaseOf(storeUrl: string): string {
  return storeUrl.slice('sqlite:'.length);
}

/** Whether this process made the file. It appears whole or not at all: a link never replaces another's file. */
async function makePepperFile(path: string): Promise<boolean> {
  if (await exists(path)) return false;
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // Text, so that the line break rule of secret files cannot eat a byte of it.
    await writeDurably(draft, `${randomBytes(48).toString('base64')}\n`);
    try {
      await link(draft, path);
    } finally {
      await unlink(draft);
    }
    await syncDirectory(dirname(path));
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST' && (await exists(path))) return false;
    throw new SecretFault(
      `${path} does not exist and cannot be made (${(cause as Error).message}); ` +
        'make it with: head -c 48 /dev/urandom | base64',
    );
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new SecretFault(`${path} cannot be read (${(cause as Error).message}); name another file`);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
