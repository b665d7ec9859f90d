// From what went wrong to a sentence on standard error and an exit code (SPEC section 1).
import { ConfigFault } from '../config/problem.ts';
import { StoreFault, UserFault } from '../core/fault.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** The process's exit codes: done, failed at run time, wrong usage, wrong configuration. */
export type ExitCode = 0 | 1 | 2 | 78;

/** Says one sentence, as all of them are said. */
export function sayFault(terminal: Terminal, sentence: string): void {
  terminal.say(`portcullis: ${printable(sentence)}`);
}

/** Says what went wrong, without a stack trace unless it is asked for, and gives the exit code. */
export function reportFault(terminal: Terminal, fault: unknown, env: NodeJS.ProcessEnv): ExitCode {
  const isDebugged = Boolean(env['PORTCULLIS_DEBUG']);
  const exitCode = sayWhatFailed(terminal, fault, isDebugged);
  if (isDebugged && fault instanceof Error) terminal.say(fault.stack ?? '');
  return exitCode;
}

function sayWhatFailed(terminal: Terminal, fault: unknown, isDebugged: boolean): ExitCode {
  if (fault instanceof ConfigFault) {
    // As they are, so that editors find the place.
    for (const line of fault.message.split('\n')) terminal.say(printable(line));
    return fault.exitCode;
  }
  if (fault instanceof UserFault) {
    for (const line of fault.message.split('\n')) sayFault(terminal, line);
    return fault.exitCode;
  }
  if (fault instanceof StoreFault) {
    const words = fault.message.replace(/\.$/, '');
    sayFault(
      terminal,
      fault.namesCure ? words : `${words}; see that the store of the configuration runs, and try again`,
    );
    return 1;
  }
  const message = fault instanceof Error ? fault.message : String(fault);
  const more = isDebugged ? '' : '; PORTCULLIS_DEBUG=1 shows where';
  sayFault(terminal, `this is a defect in Portcullis: ${message}${more}`);
  return 1;
}
