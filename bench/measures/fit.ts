// Which stacks a measurement takes: what is not here or does less than its job is named, and left out.
import { type Bench, isAsked } from '../bench.ts';
import { keySet } from '../keys.ts';
import { UsageFault } from '../options.ts';
import { prove } from '../prove.ts';
import type { Stack } from '../stack.ts';

/** Those that are asked for, installed, and shown to do their job. */
export async function fit({ session, options, say }: Bench, all: readonly Stack[]): Promise<readonly Stack[]> {
  const asked = all.filter(({ name }) => isAsked(options, name));
  if (asked.length === 0)
    throw new UsageFault(`--only fits no stack; there are ${all.map(({ name }) => name).join(', ')}`);
  const fitting: Stack[] = [];
  for (const stack of asked) {
    const missing = await stack.missing();
    if (missing !== undefined) {
      console.log(`left out: ${stack.title}: ${missing}`);
      continue;
    }
    say(`does it do its job: ${stack.title}`);
    const faults = await prove(stack, { session, keys: stack.keys ?? keySet() });
    for (const fault of faults) console.log(`not measured: ${stack.title}: ${fault}`);
    if (faults.length === 0) fitting.push(stack);
  }
  return fitting;
}
