// A real Prometheus that scrapes one target, with a folder and a port of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { freePort } from './acceptance-ports.ts';
import { eventually } from './acceptance-wait.ts';
import { own } from './own-process.ts';
import { makeTempDir } from './temp-dir.ts';

/** One series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds, and the value as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus extends AsyncDisposable {
  /** Evaluates an expression now. @throws Error with Prometheus's own words where it is none */
  query(expression: string): Promise<readonly Series[]>;
  /** How the last scrape of the target went: `up`, or the error. */
  targetHealth(): Promise<string>;
}

/** Starts Prometheus on `target` (`host:port`), scraping every `everyMs`. */
export async function startPrometheus(target: string, everyMs: number): Promise<Prometheus> {
  const folder = await makeTempDir();
  const config = {
    global: { scrape_interval: `${everyMs}ms`, scrape_timeout: `${everyMs}ms` },
    scrape_configs: [{ job_name: 'portcullis', static_configs: [{ targets: [target] }] }],
  };
  await writeFile(folder.file('prometheus.yml'), stringify(config));
  const port = await freePort();
  const child = own(
    spawn(
      'prometheus',
      [
        `--config.file=${folder.file('prometheus.yml')}`,
        `--storage.tsdb.path=${folder.file('data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const api = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
    const { status, data, error } = (await answer.json()) as { status: string; data?: unknown; error?: string };
    if (status !== 'success') throw new Error(`Prometheus answers: ${error}`);
    return data;
  };
  const stop = async (): Promise<void> => {
    await ended(child);
    await folder.remove();
  };
  try {
    await eventually(() => api('/api/v1/status/buildinfo'), { withinMs: 15_000, everyMs: 50 });
  } catch (error) {
    await stop();
    throw new Error(`Prometheus did not get ready: ${said}`, { cause: error });
  }
  return {
    query: async (expression) => {
      const data = await api(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return (data as { result: readonly Series[] }).result;
    },
    targetHealth: async () => {
      const data = (await api('/api/v1/targets')) as {
        activeTargets: readonly { health: string; lastError: string }[];
      };
      const [first] = data.activeTargets;
      return first === undefined ? 'no target' : first.lastError || first.health;
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
