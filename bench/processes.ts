// What processes and their descendants have used, as the operating system counts it.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** Clock ticks a second of /proc/PID/stat: the same on every Linux that Node runs on. */
const TICKS = 100;

/** The processes and all that descend from them. */
export function treeOf(roots: readonly number[]): readonly number[] {
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
    for (const field of statFields(pid).slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS;
}

/** User and system time of the children of this process that have ended, seconds. */
export function endedChildrenSeconds(): number {
  const fields = statFields(process.pid);
  return (Number(fields[13]) + Number(fields[14])) / TICKS;
}

/** What all cores together have spent on anything, seconds (proc(5), /proc/stat). */
export function machineSeconds(): number {
  const [user, nice, system, , , irq, softirq] = text('/proc/stat')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS;
}

/** Resident memory now, bytes. */
export function residentBytes(roots: readonly number[]): number {
  return statusSum(roots, 'VmRSS');
}

/** The most that was resident since {@link resetPeak}, bytes. */
export function peakResidentBytes(roots: readonly number[]): number {
  return statusSum(roots, 'VmHWM');
}

/** Begins a new measurement of the peak (proc(5), clear_refs). */
export function resetPeak(roots: readonly number[]): void {
  for (const pid of treeOf(roots)) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Open file descriptors, all processes together, and how many of them are sockets. */
export function openDescriptors(roots: readonly number[]): { readonly all: number; readonly sockets: number } {
  const kinds = treeOf(roots).flatMap((pid) => entries(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`)));
  return { all: kinds.length, sockets: kinds.filter((kind) => kind.startsWith('socket:')).length };
}

/** From the third on: the command's name, which is the second, may hold spaces. */
function statFields(pid: number): string[] {
  return text(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
}

function statusSum(roots: readonly number[], field: string): number {
  const pattern = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm');
  return treeOf(roots).reduce(
    (sum, pid) => sum + Number(pattern.exec(text(`/proc/${pid}/status`))?.[1] ?? 0) * 1024,
    0,
  );
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

function link(file: string): string {
  try {
    return readlinkSync(file);
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
