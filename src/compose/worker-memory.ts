// How a worker is started so that it takes little memory, where whoever started the gateway has not chosen otherwise.
// Both are fixed when a process starts; for a gateway of one process the image and the systemd unit set the same.
import { BOUNDS } from '../core/bounds.ts';

const OPTION = '--max-semi-space-size';

/**
 * Options of Node. V8 lets its young generation grow to 64 MB under load; as little of a request outlives it, no
 * cost of collecting a smaller one more often could be measured. Below 8 MiB a half, more gets old than is saved.
 */
export function workerOptions({ NODE_OPTIONS = '' }: NodeJS.ProcessEnv): string[] {
  // V8 takes underscores, too.
  const isChosen = [...process.execArgv, NODE_OPTIONS].some((words) => words.replaceAll('_', '-').includes(OPTION));
  return isChosen ? process.execArgv : [...process.execArgv, `${OPTION}=${BOUNDS.semiSpaceMiB}`];
}

/**
 * The environment. The C library would keep what its threads have freed in one pool for each of them; one pool for
 * all wastes less, and these threads seldom allocate at the same time.
 */
export function workerEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '1', ...env };
}
