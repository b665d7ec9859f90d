// Everything a benchmark starts or writes, held in one place, so that nothing of it is left however the run ends.
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { treeOf } from './processes.ts';

export interface SpawnOptions {
  readonly cwd?: string;
  readonly stdio?: StdioOptions;
  readonly env?: NodeJS.ProcessEnv;
}

/** How long a process may take to end when asked to, ms. */
const PATIENCE_MS = 5_000;

export class Session {
  readonly folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  readonly #children = new Set<ChildProcess>();
  #folders = 0;

  /** Ends everything at Ctrl-C and SIGTERM too. */
  static begin(): Session {
    const session = new Session();
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => {
        session.#drop();
        process.exit(code);
      });
    }
    return session;
  }

  /** An empty folder, gone with the session. */
  newFolder(name: string): string {
    const path = join(this.folder, `${++this.#folders}-${name}`);
    mkdirSync(path);
    return path;
  }

  /** Starts a program; what it says goes to standard error unless told otherwise. */
  spawn(program: string, words: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    // One that cannot be started has no exit; that it does not answer is noticed by who waits for it.
    child.once('error', () => this.#children.delete(child));
    return child;
  }

  /** Ends one process as an operator would, and by force if it does not. */
  async end(child: ChildProcess): Promise<void> {
    if (!this.#children.has(child)) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const force = setTimeout(() => killTree(child), PATIENCE_MS);
    await exited;
    clearTimeout(force);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.end(child)));
    this.#drop();
  }

  #drop(): void {
    for (const child of this.#children) killTree(child);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** At once, with all that it started: workers would outlive a parent that has no time to end them. */
function killTree({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  for (const each of treeOf([pid])) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}
