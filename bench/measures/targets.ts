// What is asked beside what the latest run of each measurement gave. Measures nothing itself.
import type { Bench } from '../bench.ts';
import { keptResults, printTable } from '../report.ts';
import { isMet, type Results, TARGETS } from '../targets.ts';

const MEASURES = ['whole-job', 'latency', 'redis', 'growth', 'workers', 'stream'] as const;

export function targets({ say }: Bench): Promise<void> {
  const results = Object.fromEntries(MEASURES.map((name) => [name, keptResults(name)])) as Results;
  for (const name of MEASURES) {
    const kept = results[name] as { at: string; machine: string } | undefined;
    say(kept ? `${name}: ${kept.at}, ${kept.machine}` : `${name}: not measured yet`);
  }
  printTable(
    ['', 'asked', 'bound', 'measured', ''],
    TARGETS.map((target) => {
      const figure = target.figure(results);
      const bound = 'most' in target.bound ? `at most ${target.bound.most}` : `at least ${target.bound.least}`;
      if (figure === undefined || !Number.isFinite(figure))
        return [target.number, target.what, bound, '', 'not measured'];
      return [
        target.number,
        target.what,
        bound,
        Number(figure.toPrecision(3)),
        isMet(target, figure) ? 'met' : 'missed',
      ];
    }),
  );
  return Promise.resolve();
}
