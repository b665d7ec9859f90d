// Tables for people, JSON for the table of targets: both say on which machine, with what and when.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { versionOf } from './programs.ts';

const RESULTS = join(import.meta.dirname, 'results');

/** Prints rows under their heads as Markdown. */
export function printTable(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  console.log([line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n'));
}

/** The machine and the programs, in one line. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  const memoryGiB = Math.round(totalmem() / 1024 ** 3);
  const versions = [
    ['Node', process.versions.node],
    ['HAProxy', versionOf('haproxy', '-v')],
    ['nginx', versionOf('nginx', '-v')],
    ['Redis', versionOf('redis-server', '--version')],
    ['wrk', versionOf('wrk', '-v')],
  ].filter(([, version]) => version !== '');
  const load = loadavg()[0]!.toFixed(2);
  return `${cpus().length} × ${model}, ${memoryGiB} GiB, Linux ${release()}, load ${load}; ${versions.map((pair) => pair.join(' ')).join(', ')}; commit ${commit()}`;
}

/** Keeps the figures of a measurement where the table of targets finds them. */
export function keepResults(name: string, options: Options, machine: string, figures: object): void {
  mkdirSync(RESULTS, { recursive: true });
  const { seconds, rounds, connections, minutes } = options;
  const kept = {
    at: new Date().toISOString(),
    machine,
    options: { seconds, rounds, connections, minutes },
    ...figures,
  };
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(kept, null, 1)}\n`);
}

/** What {@link keepResults} kept last; undefined if nothing. */
export function keptResults(name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(RESULTS, `${name}.json`), 'utf8'));
  } catch {
    return undefined;
  }
}

/** The commit that is measured, with a mark if files differ from it. */
function commit(): string {
  try {
    const words = ['describe', '--always', '--dirty', '--abbrev=7'];
    return execFileSync('git', words, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}
