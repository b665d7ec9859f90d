// The program's log: JSON lines through pino, time first, every value bounded and free of characters that a
// terminal or a line-based reader would act on.
import { type Logger, pino } from 'pino';
import { BOUNDS } from '../core/bounds.ts';
import { type LogDestination, openStandardOutput } from './log-destination.ts';
import { timeText } from './time-text.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Fields of a line beside time, level and msg. An `Error` is written as its name, message, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  /** Least level that is written. */
  readonly level: LogLevel;
  /** Default: standard output. */
  readonly destination?: LogDestination;
  /** Behind the fields of every line but those of requests. */
  readonly fields?: LogFields;
}

/** Makes the log that all parts of a gateway write to. */
export function createLog({ level, destination = openStandardOutput(), fields = {} }: LogOptions): Log {
  return new Log(level, destination, fields);
}

export class Log {
  readonly #pino: Logger;
  readonly #destination: LogDestination;
  readonly #fields: LogFields;

  constructor(level: LogLevel, destination: LogDestination, fields: LogFields) {
    this.#destination = destination;
    this.#fields = fields;
    this.#pino = pino(
      {
        level,
        base: null,
        serializers: { err: (described: unknown) => described },
        // pino writes the level, then the time; an empty level object and a time without the comma in front
        // let a line begin with the time. The level follows as a field.
        formatters: { level: () => ({}) },
        timestamp: () => `"time":"${timeText(Date.now())}"`,
      },
      destination,
    );
  }

  debug(msg: string, fields?: LogFields): void {
    if (this.writes('debug')) this.#pino.debug(line('debug', msg, { ...fields, ...this.#fields }));
  }

  info(msg: string, fields?: LogFields): void {
    if (this.writes('info')) this.#pino.info(line('info', msg, { ...fields, ...this.#fields }));
  }

  warn(msg: string, fields?: LogFields): void {
    if (this.writes('warn')) this.#pino.warn(line('warn', msg, { ...fields, ...this.#fields }));
  }

  error(msg: string, fields?: LogFields): void {
    if (this.writes('error')) this.#pino.error(line('error', msg, { ...fields, ...this.#fields }));
  }

  /** Writes a whole line, its end included, which its maker has bounded and cleaned. */
  append(text: string): void {
    this.#destination.write(text);
  }

  /** Whether lines of this level are written. */
  writes(level: LogLevel): boolean {
    return this.#pino.isLevelEnabled(level);
  }

  /** Sets the least level that is written. */
  setLevel(level: LogLevel): void {
    this.#pino.level = level;
  }

  /** Lines dropped because their reader did not keep up. */
  get dropped(): number {
    return this.#destination.dropped;
  }

  /** Writes out what waits, for at most `withinMs`; later lines are dropped. */
  close(withinMs = 1_000): Promise<void> {
    return this.#destination.close(withinMs);
  }
}

/** A text as it may stand in a line: bounded, without control, bidirectional and line-separating characters. */
export function cleanText(text: string): string {
  const bounded = text.length > BOUNDS.logFieldLength ? `${text.slice(0, BOUNDS.logFieldLength - 1)}…` : text;
  return PLAIN.test(bounded) ? bounded : bounded.replace(UNSAFE, '\ufffd');
}

const PLAIN = /^[\x20-\x7e]*$/;
// C1 controls drive some terminals, U+2028 and U+2029 end lines for some readers, the rest reorders what is shown.
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function line(level: LogLevel, msg: string, fields: LogFields): LogFields {
  const clean: Record<string, unknown> = { level, msg: cleanText(msg) };
  for (const [name, value] of Object.entries(fields)) clean[name] = cleanValue(value, MOST_DEPTH);
  return clean;
}

const MOST_DEPTH = 4;
const MOST_ITEMS = 64;
const MOST_STACK = 4_096;

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (value instanceof Error) return describeError(value, depth);
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map((item) => cleanValue(item, depth - 1));
  const entries = Object.entries(value).slice(0, MOST_ITEMS);
  return Object.fromEntries(entries.map(([name, item]) => [cleanText(name), cleanValue(item, depth - 1)]));
}

/** Not an error's other properties: clients hang commands with their arguments there. */
function describeError(error: Error, depth: number): LogFields {
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: cleanText(error.name),
    message: cleanText(error.message),
    ...(code === undefined ? {} : { code: cleanText(String(code)) }),
    stack: (error.stack ?? '').slice(0, MOST_STACK).split('\n').map(cleanText).join('\n'),
    ...(error.cause === undefined ? {} : { cause: cleanValue(error.cause, depth - 1) }),
  };
}
