// Loads one port with wrk, from a process of its own, and reads what the loaded processes spent meanwhile.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuSeconds, machineSeconds } from './processes.ts';
import type { Session } from './session.ts';
import type { RunningStack } from './stack.ts';

export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  /** Key texts, each request another one. Without any, no key is sent. */
  readonly keys: readonly string[];
  /** Paths in turn with the keys. */
  readonly paths?: readonly string[];
  /** A new connection for every request. */
  readonly isClosing?: boolean;
}

export interface Load {
  readonly requests: number;
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** CPU time (user and system) of the stack's own processes a request, microseconds. */
  readonly cpuUsPerRequest: number;
  /** The same of its store. */
  readonly storeUsPerRequest: number;
  /** Cores that programs outside of this benchmark kept busy meanwhile. */
  readonly foreignCores: number;
  /** Answers that were not 2xx or 3xx, and socket errors. */
  readonly errors: number;
}

export const ORDERS = '/orders/7';

/** What wrk's `done` prints. */
interface Summary {
  readonly requests: number;
  readonly durationUs: number;
  readonly percentilesUs: readonly [p50: number, p99: number, p999: number, max: number];
  readonly errors: number;
}

export async function load(session: Session, stack: RunningStack, options: LoadOptions): Promise<Load> {
  const folder = session.newFolder('wrk');
  const script = join(folder, 'load.lua');
  writeFileSync(join(folder, 'keys'), options.keys.join('\n'));
  writeFileSync(script, scriptOf(options, join(folder, 'keys')));
  const own = cpuSeconds(stack.pids);
  const store = cpuSeconds(stack.storePids);
  const foreign = foreignSeconds();
  const from = performance.now();
  const summary = await run(session, [
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    `http://127.0.0.1:${stack.port}`,
  ]);
  const [p50, p99, p999, max] = summary.percentilesUs.map((us) => us / 1000) as [number, number, number, number];
  return {
    requests: summary.requests,
    requestsPerS: (summary.requests * 1e6) / summary.durationUs,
    p50Ms: p50,
    p99Ms: p99,
    p999Ms: p999,
    maxMs: max,
    cpuUsPerRequest: ((cpuSeconds(stack.pids) - own) * 1e6) / summary.requests,
    storeUsPerRequest: ((cpuSeconds(stack.storePids) - store) * 1e6) / summary.requests,
    foreignCores: Math.max(0, ((foreignSeconds() - foreign) * 1000) / (performance.now() - from)),
    errors: summary.errors,
  };
}

/** All that this process and its descendants, living and ended, did not spend. */
function foreignSeconds(): number {
  return machineSeconds() - cpuSeconds([process.pid]);
}

async function run(session: Session, words: readonly string[]): Promise<Summary> {
  const child = session.spawn('wrk', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  const line = said.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`wrk ended without a result: ${said.trim()}`);
  return JSON.parse(line) as Summary;
}

/**
 * All requests are written out before the load begins, so that wrk itself costs as little as it can. Keys are read
 * from a file, because a Lua function holds 65,536 constants.
 */
function scriptOf({ paths = [ORDERS], isClosing = false }: LoadOptions, keysFile: string): string {
  const closing = isClosing ? '["Connection"] = "close", ' : '';
  return `
local keys = {}
for key in io.lines(${JSON.stringify(keysFile)}) do keys[#keys + 1] = key end
local paths = { ${paths.map((path) => JSON.stringify(path)).join(', ')} }
local requests, at = {}, 0
function init(args)
  for i = 1, math.max(#keys, #paths) do
    local fields = { ${closing}["X-Api-Key"] = #keys > 0 and keys[(i - 1) % #keys + 1] or nil }
    requests[i] = wrk.format("GET", paths[(i - 1) % #paths + 1], fields)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"durationUs":%d,"percentilesUs":[%d,%d,%d,%d],"errors":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}
