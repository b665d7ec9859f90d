// What processes and their descendants have used, as the operating system counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second of /proc/PID/stat: the same on every Linux that Node runs on. */
const TICKS = 100;

/** The processes and all that descend from them. */
function treeOf(roots: readonly number[]): readonly number[] {
  const found: number[] = [];
  const queue = [...roots];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    if (found.includes(pid)) continue;
    found.push(pid);
    for (const task of entries(`/proc/${pid}/task`)) {
      queue.push(...words(`/proc/${pid}/task/${task}/children`).map(Number));
    }
  }
  return found;
}

/** User and system time of the processes, all their threads and descendants, seconds; ended descendants too. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0;
  for (const pid of treeOf(roots)) {
    // The command's name may hold spaces; the fields that count stand behind its closing parenthesis.
    const fields = text(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS;
}

function words(file: string): string[] {
  return text(file)
    .split(' ')
    .filter((word) => word !== '');
}

/** A process may end between two looks; it then has nothing to say. */
function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
