// What was promised and what was seen, said by the test that saw it: in its output, and, where PORTCULLIS_FINDINGS
// names a directory, as a line of JSON from which `npm run reliability` makes docs/reliability.md.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/** One row of the table of promises. */
export interface PromiseFinding {
  /** Which promise of the table, 1 to 12. */
  readonly promise: number;
  /** What was done to the gateway, in a few words: `Redis stopped (SIGSTOP) for 10 s`. */
  readonly tried: string;
  /** What is promised for that, with its figure. */
  readonly promised: string;
  /** What was measured, with its figure and unit. */
  readonly seen: string;
  /** A benchmark's figure is not what was promised. A test fails instead. */
  readonly isMissed?: boolean;
}

/** A row beside the promises: what was measured because the rules ask for it. */
export interface OtherFinding extends Omit<PromiseFinding, 'promise'> {
  readonly rule: string;
}

/** One row of the table of attack classes. */
export interface AttackFinding {
  readonly attackClass: string;
  /** Published cases and cases from the seed, each counted once for every way it was sent. */
  readonly known: number;
  readonly generated: number;
  /** Requests that reached the upstream without being authorised: 0, or the test has failed. */
  readonly unauthorised: number;
  readonly seed: string;
}

/** What three gateways made of one published case. */
export interface Comparison {
  readonly attackClass: string;
  readonly attack: string;
  readonly source: string;
  readonly portcullis: string;
  readonly haproxy: string;
  readonly nginx: string;
  /** Why ours is right; empty where all forward the same. */
  readonly why: string;
}

/** A row of what is kept. */
export type Finding = PromiseFinding | OtherFinding | AttackFinding | Comparison;

/** The part of node:test's context that prints. */
interface Speaks {
  diagnostic(message: string): void;
}

/** Says what was seen. Call it after the assertions: what is kept was true. */
export function found(test: Speaks, finding: PromiseFinding | OtherFinding | AttackFinding): void {
  test.diagnostic(
    'tried' in finding
      ? `${'rule' in finding ? finding.rule : `promise ${finding.promise}`}: ${finding.tried}: promised ${finding.promised}; seen ${finding.seen}`
      : `${finding.attackClass}: ${finding.known} known and ${finding.generated} generated cases (${finding.seed}), ${finding.unauthorised} unauthorised`,
  );
  keep(finding);
}

/** Keeps a comparison, of which there are too many to be printed. */
export function compared(comparison: Comparison): void {
  keep(comparison);
}

function keep(row: Finding): void {
  const directory = process.env['PORTCULLIS_FINDINGS'];
  if (directory) appendFileSync(join(directory, `${process.pid}.jsonl`), `${JSON.stringify(row)}\n`);
}

/**
 * A count or duration that the suite keeps small and `npm run reliability` (PORTCULLIS_SCALE=full) runs whole:
 * `atScale({ suite: 20, full: 1000 })`.
 */
export function atScale(sizes: { readonly suite: number; readonly full: number }): number {
  return process.env['PORTCULLIS_SCALE'] === 'full' ? sizes.full : sizes.suite;
}
