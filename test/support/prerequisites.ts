// The programs that the tests run beside the gateway, and how a Debian machine gets those it lacks.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program on the PATH, and the Debian package that brings it. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  'redis-server': 'redis-server',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  curl: 'curl',
  openssl: 'openssl',
};

/** The library that sets a process's clock, wherever the machine's kind of processor has its libraries. */
export const FAKETIME_LIBRARY = '/usr/lib/{,*/}faketime/libfaketimeMT.so.1';

/** Libraries that stand for themselves, by the name that they are missed by, and the Debian package that brings each. */
const LIBRARIES: Readonly<Record<string, { readonly file: string; readonly debian: string }>> = {
  libfaketime: { file: FAKETIME_LIBRARY, debian: 'libfaketime' },
};

/** Where servers are that an ordinary user's PATH leaves out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** A PATH that servers are found on too. */
export function pathWithServers(path: string): string {
  const folders = path.split(delimiter);
  return [...folders, ...SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder))].join(delimiter);
}

/** Which of the programs are not on this PATH. */
export function missingPrograms(path: string): string[] {
  return Object.keys(PROGRAMS).filter((program) => !isOnPath(program, path));
}

/** Which of the libraries this machine lacks. */
function missingLibraries(): string[] {
  return Object.entries(LIBRARIES).flatMap(([name, { file }]) => (globSync(file).length === 0 ? [name] : []));
}

export type Cure =
  | { readonly kind: 'none' }
  | { readonly kind: 'install'; readonly packages: readonly string[] }
  | { readonly kind: 'ask'; readonly sentence: string };

/** What is to be done about missing programs and libraries: root on Debian installs them, anybody else is told how to. */
export function cureFor(missing: readonly string[], machine: { isRoot: boolean; hasApt: boolean }): Cure {
  if (missing.length === 0) return { kind: 'none' };
  const packages = [...new Set(missing.map((name) => PROGRAMS[name] ?? LIBRARIES[name]!.debian))];
  if (machine.hasApt && machine.isRoot) return { kind: 'install', packages };
  const names = missing.join(', ');
  const sentence = machine.hasApt
    ? `The tests need ${names}, which are not on this machine. Install them with:\n  sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
    : `The tests need ${names}, which are not on this machine. Install them with its package manager; Debian's packages are called ${packages.join(' ')}.`;
  return { kind: 'ask', sentence };
}

/**
 * Finds or installs what the tests need.
 * @returns false where something is still missing; what and how to get it has then been printed
 */
export function providePrerequisites(path: string): boolean {
  const machine = { isRoot: process.getuid?.() === 0, hasApt: isOnPath('apt-get', path) };
  const cure = cureFor(missing(path), machine);
  if (cure.kind === 'install') {
    console.error(`installing ${cure.packages.join(' ')}`);
    install(cure.packages);
  }
  const left = cureFor(missing(path), { ...machine, isRoot: false });
  if (left.kind === 'ask') console.error(left.sentence);
  return left.kind === 'none';
}

function missing(path: string): string[] {
  return [...missingPrograms(path), ...missingLibraries()];
}

/** Installs Debian packages without a question, and without starting the services they bring. */
function install(packages: readonly string[]): void {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  // invoke-rc.d asks this script, and takes 101 for "may not start".
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    apt(['update', '-q']);
    apt(['install', '-y', '-q', '--no-install-recommends', ...packages]);
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}

/** Its output goes to standard error, so that standard output ends with the test runner's lines. */
function apt(words: readonly string[]): void {
  spawnSync('apt-get', words, {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function isOnPath(program: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}
