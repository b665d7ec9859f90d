// What the command line of the benchmark may say, with the bounds of each number.
import { parseArgs } from 'node:util';

export interface Options {
  /** Which measurement; the first word. */
  readonly measure: string;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  /** Length of the soak. */
  readonly minutes: number;
  /** Requests, or samples of each class, where a measurement counts them; undefined: as many as it usually takes. */
  readonly requests: number | undefined;
  /** What order and texts are made from. */
  readonly seed: number;
  /** Names, or parts of names, of what is measured; empty for all. */
  readonly only: readonly string[];
}

/** What was typed is wrong; the message says what is accepted. */
export class UsageFault extends Error {}

export const WHOLE_JOB = 'whole-job';

const NUMBERS = {
  seconds: { usual: 4, most: 600 },
  rounds: { usual: 3, most: 100 },
  connections: { usual: 64, most: 4_096 },
  minutes: { usual: 10, most: 1_440 },
  requests: { usual: 0, most: 100_000_000 },
  seed: { usual: 1, most: 2 ** 31 },
} as const;

/** @throws {UsageFault} */
export function parseOptions(words: readonly string[]): Options {
  const { values, positionals } = parsed(words);
  if (positionals.length > 1)
    throw new UsageFault(
      `${positionals[1]} is one word too many; options take -- in front, as in: npm run bench -- ${positionals[0]} --seconds 2`,
    );
  const only = String(values['only'] ?? '')
    .split(',')
    .filter((name) => name !== '');
  return {
    measure: positionals[0] ?? WHOLE_JOB,
    seconds: whole('seconds', values['seconds']),
    rounds: whole('rounds', values['rounds']),
    connections: whole('connections', values['connections']),
    minutes: whole('minutes', values['minutes']),
    requests: whole('requests', values['requests']) || undefined,
    seed: whole('seed', values['seed']),
    only,
  };
}

function parsed(words: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...words],
      options: {
        seconds: text,
        rounds: text,
        connections: text,
        minutes: text,
        requests: text,
        seed: text,
        only: text,
      },
      allowPositionals: true,
    });
  } catch (fault) {
    throw new UsageFault((fault as Error).message.split('. ')[0], { cause: fault });
  }
}

function whole(name: keyof typeof NUMBERS, text: string | undefined): number {
  const { usual, most } = NUMBERS[name];
  if (text === undefined) return usual;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new UsageFault(`--${name} takes a whole number from 1 to ${most}, not ${JSON.stringify(text)}`);
}
