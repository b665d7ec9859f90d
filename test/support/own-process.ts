// Processes that a test file has started. None outlives the file, however it ends: one that was left behind would hold
// the run up for ever, for a test file lasts as long as its children do.
import type { ChildProcess } from 'node:child_process';
import { after } from 'node:test';

/** How long the file's own `after` hooks may take, ms: they run behind the one here. */
const PATIENCE_MS = 20_000;

const alive = new Map<ChildProcess, NodeJS.Signals>();

/**
 * Takes note of a process until it has ended. One that is left behind the last test of the file is ended, and fails it.
 * @param signal what ends it together with its own children
 */
export function own<T extends ChildProcess>(child: T, signal: NodeJS.Signals = 'SIGKILL'): T {
  if (child.pid === undefined) return child;
  alive.set(child, signal);
  child.once('exit', () => alive.delete(child));
  return child;
}

function endAll(): void {
  for (const [child, signal] of alive) {
    child.kill('SIGCONT');
    child.kill(signal);
  }
}

function endLeftBehind(): void {
  if (alive.size === 0) return;
  const commands = [...alive.keys()].map(({ spawnargs }) => spawnargs.join(' '));
  console.error(`left behind by the tests: ${commands.join('; ')}`);
  process.exitCode = 1;
  endAll();
}

process.once('exit', endAll);

// Elsewhere, as in the fuzzer's command, there is no run of tests to belong to.
if (process.argv[1]?.endsWith('.test.ts')) after(() => void setTimeout(endLeftBehind, PATIENCE_MS).unref());
