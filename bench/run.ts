// `npm run bench [-- MEASURE --seconds N --rounds N --connections N --only NAME,…]`: reads the words and hands over.
import type { Bench } from './bench.ts';
import { decision } from './measures/decision.ts';
import { growth } from './measures/growth.ts';
import { latency } from './measures/latency.ts';
import { log } from './measures/log.ts';
import { profile } from './measures/profile.ts';
import { redis } from './measures/redis.ts';
import { soak } from './measures/soak.ts';
import { stream } from './measures/stream.ts';
import { strangers } from './measures/strangers.ts';
import { targets } from './measures/targets.ts';
import { timing } from './measures/timing.ts';
import { wholeJob } from './measures/whole-job.ts';
import { workers } from './measures/workers.ts';
import { type Options, parseOptions, UsageFault, WHOLE_JOB } from './options.ts';
import { findServersToo, missingProgram } from './programs.ts';
import { Session } from './session.ts';

const MEASURES: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  [WHOLE_JOB]: wholeJob,
  latency,
  decision,
  redis,
  growth,
  stream,
  workers,
  log,
  soak,
  profile,
  strangers,
  timing,
  targets,
};

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  let session: Session | undefined;
  try {
    const options = parseOptions(words);
    const measure = measureOf(options);
    findServersToo();
    for (const missing of [missingProgram('wrk'), missingProgram('nginx', 'nginx-light')]) {
      if (missing !== undefined) throw new UsageFault(missing);
    }
    session = Session.begin();
    await measure({ session, options, say: (line) => console.error(line) });
    return 0;
  } catch (fault) {
    console.error(fault instanceof UsageFault ? fault.message : fault);
    return fault instanceof UsageFault ? 2 : 1;
  } finally {
    await session?.close();
  }
}

function measureOf({ measure }: Options): (bench: Bench) => Promise<void> {
  const found = Object.entries(MEASURES).find(([name]) => name === measure)?.[1];
  if (found) return found;
  throw new UsageFault(`${measure} is no measurement; there are ${Object.keys(MEASURES).join(', ')}`);
}
