// What every measurement is given.
import type { Options } from './options.ts';
import type { Session } from './session.ts';

export interface Bench {
  readonly session: Session;
  readonly options: Options;
  /** Says how it goes, on standard error: standard output has the tables only. */
  readonly say: (line: string) => void;
}

/** Whether `--only` asks for a thing; without it, everything is asked for. */
export function isAsked({ only }: Options, name: string): boolean {
  return (
    only.length === 0 ||
    only.some((part) => name === part || (part.endsWith('*') && name.startsWith(part.slice(0, -1))))
  );
}
