// Runs a `portcullis` command as a process, as a person at a terminal would.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inTime } from './acceptance-wait.ts';

/** The program's entry. */
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The pepper of every store that tests make, and the reference by which configurations name it. */
export const PEPPER = { name: 'ACCEPTANCE_PEPPER', value: 'a pepper that is only ever used in tests, 0123456789' };

// The suite starts the program over a hundred times; what Node compiled once need not be compiled again.
const COMPILE_CACHE = fileURLToPath(new URL('../../.cache/compile', import.meta.url));

/** How a command ended and what it said. */
export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Working directory. */
  readonly cwd?: string;
  /** Added to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Longest run in ms (default 15000). */
  readonly withinMs?: number;
}

/** The environment of a `portcullis` process. */
export function environment(added: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const { PORTCULLIS_CONFIG: _unwanted, ...inherited } = process.env;
  return { ...inherited, NO_COLOR: '1', NODE_COMPILE_CACHE: COMPILE_CACHE, [PEPPER.name]: PEPPER.value, ...added };
}

/** Runs `portcullis ARGS` to its end. */
export async function portcullis(args: readonly string[], options: CommandOptions = {}): Promise<CommandEnd> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  try {
    const code = await inTime(ended, `portcullis ${args.join(' ')}`, options.withinMs ?? 15_000);
    return { code, stdout, stderr };
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
  }
}
