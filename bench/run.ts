// `npm run bench [-- --seconds N --rounds N --connections N]`: what the gateway costs a request, against nginx as a
// plain proxy in the same run. Stacks take turns, each started fresh for every round; medians are shown.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Load, load } from './load.ts';
import { type Stack, startGateway, startPlainProxy, startUpstream } from './stacks.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
  },
});
const [seconds, rounds, connections] = [values.seconds, values.rounds, values.connections].map(bounded) as [
  number,
  number,
  number,
];

for (const program of ['wrk', 'nginx']) {
  try {
    execFileSync('which', [program], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
  } catch {
    console.error(
      `The benchmark needs ${program}; install it with: apt-get install -y --no-install-recommends wrk nginx-light`,
    );
    process.exit(1);
  }
}
process.env['PATH'] += ':/usr/sbin';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
const stacks: Readonly<Record<string, (upstream: Stack) => Promise<Stack>>> = {
  'nginx, plain proxy': (upstream) => startPlainProxy(folder, upstream),
  'Portcullis: key, scope, network': (upstream) => startGateway(folder, upstream, 0),
  'Portcullis: the same and two limits': (upstream) => startGateway(folder, upstream, 2),
};
const measured = new Map<string, Load[]>(Object.keys(stacks).map((name) => [name, []]));
const upstream = await startUpstream(folder);
try {
  for (let round = 1; round <= rounds; round++) {
    for (const [name, start] of Object.entries(stacks)) {
      console.error(`round ${round} of ${rounds}: ${name}`);
      const stack = await start(upstream);
      try {
        const options = { url: `${stack.url}/orders/7`, headers: stack.headers, connections, pids: stack.pids };
        await load({ ...options, seconds: 1 });
        const result = await load({ ...options, seconds });
        if (result.errors > 0) throw new Error(`${name} answered ${result.errors} requests with an error`);
        measured.get(name)!.push(result);
      } finally {
        await stack.stop();
      }
    }
  }
} finally {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
}
report();

function report(): void {
  const rows = [...measured].map(([name, loads]) => ({
    name,
    cpuUsPerRequest: median(loads.map((each) => each.cpuUsPerRequest)),
    requestsPerS: median(loads.map((each) => each.requestsPerS)),
    p50Ms: median(loads.map((each) => each.p50Ms)),
    p99Ms: median(loads.map((each) => each.p99Ms)),
  }));
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`;
  const lines = rows.map(
    (row) =>
      `| ${row.name} | ${row.cpuUsPerRequest.toFixed(0)} | ${(row.cpuUsPerRequest / rows[0]!.cpuUsPerRequest).toFixed(2)} | ${row.requestsPerS.toFixed(0)} | ${row.p50Ms.toFixed(2)} | ${row.p99Ms.toFixed(2)} |`,
  );
  console.log(`${machine}; ${connections} connections, ${rounds} rounds of ${seconds} s, medians\n`);
  console.log('| stack | CPU µs a request | × nginx | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|');
  console.log(lines.join('\n'));
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(
    join(results, 'latest.json'),
    `${JSON.stringify({ machine, connections, rounds, seconds, rows }, null, 2)}\n`,
  );
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function bounded(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000) {
    console.error(`${text} is out of bounds; give a whole number from 1 to 1000`);
    process.exit(2);
  }
  return value;
}
