// What is fuzzed, in the shape that all targets share: a case is a list of texts, so that one shrinker serves all.
import type { Draw } from './draw.ts';

export const TARGET_NAMES = ['client', 'upstream', 'configuration', 'store'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** One case: what it is made of can be written down, sent again and made smaller. */
export interface FuzzCase {
  /** How the parts are used, in the target's own words; never shrunk. */
  readonly setting: string;
  /** Writes, lines or commands, in order; one character a byte where they are bytes. */
  readonly parts: readonly string[];
}

/** What a case has shown that must never be. */
export interface Finding {
  /** Which of the cases tried together; null where that cannot be said. */
  readonly index: number | null;
  /** Which rule was broken, in a few words that are the same for all cases that break it. */
  readonly rule: string;
  readonly detail: string;
  /** What it was tried on cannot be used any more. */
  readonly isFatal?: boolean;
}

/** Something to be fuzzed. */
export interface FuzzTarget {
  readonly name: TargetName;
  /** Cases that are tried together. */
  readonly batch: number;
  generate(draw: Draw): FuzzCase;
  /** Starts what the cases are tried on. */
  open(): Promise<FuzzSession>;
}

export interface FuzzSession {
  /** Tries cases, some of them at the same time, and gives what is wrong: empty where nothing is. */
  attempt(cases: readonly FuzzCase[]): Promise<readonly Finding[]>;
  /** Ends everything that {@link FuzzTarget.open} started. */
  close(): Promise<void>;
}
