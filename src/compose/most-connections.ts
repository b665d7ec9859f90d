// How many client connections this process can hold: each request may need another descriptor to its upstream, and
// the store, the log and the ops listener must never be left without one.
import { readFileSync } from 'node:fs';
import { BOUNDS } from '../core/bounds.ts';

export interface MostConnections {
  /** Client connections at once. */
  readonly count: number;
  /** Said where one more comes: what binds, and the cure. */
  readonly advice: string;
}

/** By the descriptors that the system allows; where it does not say, by the fixed bound alone. */
export function mostConnections(descriptors: number | null = descriptorLimit()): MostConnections {
  const byDescriptors =
    descriptors === null ? Infinity : Math.max(1, Math.floor((descriptors - BOUNDS.keptDescriptors) / 2));
  if (byDescriptors >= BOUNDS.connections) {
    const advice = `${BOUNDS.connections} client connections are open, the most there may be, and new ones are closed; run more workers or gateways`;
    return { count: BOUNDS.connections, advice };
  }
  const advice = `${byDescriptors} client connections are open, as many as ${descriptors} file descriptors allow, and new ones are closed; raise the limit of open files (ulimit -n, or LimitNOFILE= of systemd)`;
  return { count: byDescriptors, advice };
}

/** What Linux allows this process; Node has raised it as far as it may. */
function descriptorLimit(): number | null {
  try {
    const text = readFileSync('/proc/self/limits', 'utf8');
    const limit = /^Max open files\s+(\d+)/m.exec(text)?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
