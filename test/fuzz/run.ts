// `npm run fuzz [-- --seconds N --seed N --only TARGET --case N --replay FILE --json]`: reads the words and hands over.
import { pathWithServers, providePrerequisites } from '../support/prerequisites.ts';
import { clientTarget } from './client/target.ts';
import { configurationTarget } from './configuration/target.ts';
import { fuzz } from './fuzz.ts';
import { parseOptions, UsageFault } from './options.ts';
import { storeTarget } from './store/target.ts';
import { upstreamTarget } from './upstream/target.ts';

const TARGETS = [clientTarget, upstreamTarget, configurationTarget, storeTarget];

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  process.env['PATH'] = pathWithServers(process.env['PATH'] ?? '');
  const ending = new AbortController();
  // npm passes on a Ctrl-C that the terminal has given to this process already.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => ending.abort());
  try {
    const options = parseOptions(words);
    if (!providePrerequisites(process.env['PATH'])) return 1;
    const say = (line: string): void => console.log(line);
    const found = await fuzz({ ...options, targets: TARGETS, say, signal: ending.signal });
    return found.length === 0 ? 0 : 1;
  } catch (fault) {
    console.error(fault instanceof UsageFault ? fault.message : fault);
    return fault instanceof UsageFault ? 2 : 1;
  }
}
