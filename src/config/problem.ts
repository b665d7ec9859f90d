// What is wrong with a configuration, as people see it: one line each, with its place and its cure.
import { UserFault } from '../core/fault.ts';

/** Steps from the root of the configuration: field names and list indexes. */
export type Path = readonly (string | number)[];

/** Something wrong, before its place in the file is known. */
export interface Finding {
  readonly path: Path;
  /** Points at the field's name rather than at its value. */
  readonly atName?: true;
  readonly message: string;
  /** What the finding was worked out from, where that is more than `path`. */
  readonly about?: readonly Path[];
  /** The field that was probably meant, so that nobody is told it is missing. */
  readonly meant?: Path;
}

/** Something wrong, with its place. Line and column count from 1; both are 0 where there is no file. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Like `routes.read-orders.scopes[0]`. */
  readonly path: string;
  /** What is wrong and what is accepted. */
  readonly message: string;
}

/** The configuration cannot be used. Its message has one line for every problem. */
export class ConfigFault extends UserFault {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const told = problems.map(readable);
    super(told.map(formatProblem).join('\n'), 78);
    this.problems = told;
  }
}

/** Names and what the YAML parser repeats may be of any length, and hold what a terminal would obey. */
function readable(problem: ConfigProblem): ConfigProblem {
  const { path, message } = problem;
  return {
    ...problem,
    path: path.replaceAll(CONTROL, '?'),
    message: shortened(message, 2_000).replaceAll(CONTROL, '?'),
  };
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text;
}

const CONTROL = /\p{Cc}/gu;

/** One problem as `FILE:LINE:COL PATH: what is wrong and what is accepted`. */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${place} ${path}: ${message}`;
}

/** A path as people write it; `(file)` for the whole. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (step.length <= 60 && PLAIN_STEP.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(shortened(step, 60))}]`;
  }
  return text === '' ? '(file)' : text;
}

const PLAIN_STEP = /^[A-Za-z0-9_-]+$/;
