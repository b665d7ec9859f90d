// What Linux says of a running process: descriptors, memory, processor time. Faults are told by these, since a
// process that leaks or spins answers requests all the same.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Open descriptors. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Memory that is resident, bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Processor time used so far, by all its threads, ms. */
export function processorMs(pid: number): number {
  // The name in the second field may hold spaces and brackets.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Linux tells processor time to user space in hundredths of a second. */
const TICK_MS = 10;

/** Allows the process so many descriptors from now on; those that it has stay open. */
export function limitDescriptors(pid: number, most: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:`]);
}
