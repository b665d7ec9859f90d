// Stacks in turns: every process started fresh for every round, warmed up, loaded, and ended, so that whatever else
// the machine does meets all of them alike.
import type { Bench } from './bench.ts';
import type { KeySet } from './keys.ts';
import { startUpstream } from './nginx.ts';
import type { Stack } from './stack.ts';
import { type Load, load } from './wrk.ts';

const WARM_UP_S = 2;

export interface RoundsOptions {
  readonly stacks: readonly Stack[];
  readonly keys: KeySet;
  readonly connections: number;
  /** Connections of the warm-up; default: as many. */
  readonly warmUpConnections?: number;
}

/** Loads by the stack's name, one a round. */
export async function runRounds(
  { session, options, say }: Bench,
  { stacks, keys, connections, warmUpConnections = connections }: RoundsOptions,
): Promise<Map<string, Load[]>> {
  const loads = new Map<string, Load[]>(stacks.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const stack of stacks) {
      say(`round ${round} of ${options.rounds}: ${stack.title}`);
      loads.get(stack.name)!.push(await loadOnce(stack));
    }
  }
  return loads;

  async function loadOnce(stack: Stack): Promise<Load> {
    const upstream = await startUpstream(session);
    const { working } = stack.keys ?? keys;
    const running = await stack.start({ session, keys: stack.keys ?? keys, upstream: upstream.port });
    try {
      const how = {
        connections,
        keys: stack.job === 'plain' ? [] : working.map(({ text }) => stack.presented?.(text) ?? text),
        ...(stack.paths && { paths: stack.paths }),
        isClosing: stack.isClosing === true,
      };
      await load(session, running, { ...how, connections: warmUpConnections, seconds: WARM_UP_S });
      const result = await load(session, running, { ...how, seconds: options.seconds });
      if (result.requests === 0) say('  no answer at all in this time; give it more --seconds');
      if (result.errors > 0) say(`  ${result.errors} of ${result.requests} requests failed`);
      return result;
    } finally {
      await running.stop();
      await upstream.stop();
    }
  }
}
