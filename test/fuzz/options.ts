// What the command line of the fuzzer may say.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { TARGET_NAMES, type TargetName } from './fuzz-case.ts';

export interface Options {
  /** How long new cases are tried. */
  readonly seconds: number;
  readonly seed: number;
  readonly only: readonly TargetName[];
  /** Tries this one case of the seed, and no other. */
  readonly caseNumber: number | null;
  /** Tries the case in this file, and no other. */
  readonly replay: string | null;
  readonly isJson: boolean;
}

/** What was typed is wrong; the message says what is accepted. */
export class UsageFault extends Error {}

const MOST_SECONDS = 24 * 60 * 60;
const USUAL_SECONDS = 60;

/** @throws {UsageFault} */
export function parseOptions(words: readonly string[]): Options {
  const values = parsed(words);
  const { only, replay } = values;
  if (only !== undefined && !isTarget(only))
    throw new UsageFault(`--only takes ${TARGET_NAMES.join(', ')}, not ${JSON.stringify(only)}`);
  const caseNumber = values.case === undefined ? null : whole('case', values.case, 0, Number.MAX_SAFE_INTEGER);
  if (caseNumber !== null && (values.seed === undefined || only === undefined))
    throw new UsageFault('--case needs the --seed and the --only that it was found with');
  return {
    seconds: values.seconds === undefined ? USUAL_SECONDS : whole('seconds', values.seconds, 1, MOST_SECONDS),
    seed: values.seed === undefined ? randomInt(2 ** 32) : whole('seed', values.seed, 0, 2 ** 32 - 1),
    only: only === undefined ? TARGET_NAMES : [only],
    caseNumber,
    replay: replay ?? null,
    isJson: values.json ?? false,
  };
}

function parsed(words: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...words],
      options: { seconds: text, seed: text, only: text, case: text, replay: text, json: { type: 'boolean' } },
    }).values;
  } catch (fault) {
    const [said] = (fault as Error).message.split('. ');
    throw new UsageFault(
      `${said}; write npm run fuzz -- [--seconds N] [--seed N] [--only ${TARGET_NAMES.join('|')}] [--case N] [--replay FILE] [--json]`,
      { cause: fault },
    );
  }
}

function isTarget(name: string): name is TargetName {
  return TARGET_NAMES.some((each) => each === name);
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageFault(`--${name} takes a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}
