// The command line (SPEC section 1): the commands, what they share, and how a wrong use is answered.
import { Command, CommanderError } from 'commander';
import { VERSION } from '../compose/version.ts';
import { addCheck } from './check.ts';
import { type Context, takesConfig } from './context.ts';
import { addExplain } from './explain.ts';
import { type ExitCode, reportFault, sayFault } from './faults.ts';
import { addKeysCreate } from './keys-create.ts';
import { addKeysImport } from './keys-import.ts';
import { addKeysList } from './keys-list.ts';
import { addKeysRotate } from './keys-rotate.ts';
import { addKeysShow } from './keys-show.ts';
import { addKeysSwitches } from './keys-switch.ts';
import { addKeysUpdate } from './keys-update.ts';
import { addSchema } from './schema.ts';
import { addServe } from './serve.ts';
import { type Host, Terminal } from './terminal.ts';

/** Runs one command line. Never rejects; resolves to the process's exit code. */
export async function run(host: Host): Promise<ExitCode> {
  const terminal = new Terminal(host);
  let exitCode: ExitCode = 0;
  const program = commands({ host, terminal }, (code) => (exitCode = code));
  try {
    await program.parseAsync(host.argv);
    return exitCode;
  } catch (fault) {
    // Commander has said its sentence or printed the help that was asked for.
    if (fault instanceof CommanderError) return fault.exitCode === 0 ? 0 : 2;
    return reportFault(terminal, fault, host.env);
  }
}

function commands(context: Context, end: (code: ExitCode) => void): Command {
  const { terminal } = context;
  const program = new Command('portcullis')
    .description('An API-key gateway in front of the HTTP APIs that you already have.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [COMMAND]', 'print help for a command')
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failed at run time, 2 wrong usage, 78 the configuration is wrong.

Examples:
  $ portcullis check
  $ portcullis serve
  $ portcullis keys create --owner acme --role orders-reader
  $ portcullis keys --help`,
    );
  takesConfig(program);
  addServe(program, context, end);
  addCheck(program, context, end);
  addSchema(program, context);
  addKeys(program, context);
  addExplain(program, context);
  answersWrongUse(program, program.name(), terminal);
  return program;
}

function addKeys(program: Command, context: Context): void {
  const keys = program
    .command('keys')
    .summary('make, list, change, rotate and end keys')
    .description('Makes, lists, changes, rotates and ends keys, in the store of the configuration.')
    .enablePositionalOptions()
    .helpCommand('help [COMMAND]', 'print help for a command');
  takesConfig(keys);
  addKeysCreate(keys, context);
  addKeysList(keys, context);
  addKeysShow(keys, context);
  addKeysUpdate(keys, context);
  addKeysRotate(keys, context);
  addKeysSwitches(keys, context);
  addKeysImport(keys, context);
}

/** Says what was wrong with an option or argument in one sentence, and where it is explained. */
function answersWrongUse(command: Command, path: string, terminal: Terminal): void {
  command.configureOutput({ outputError: (text) => sayFault(terminal, `${oneSentence(text)}; see ${path} --help`) });
  for (const inner of command.commands) answersWrongUse(inner, `${path} ${inner.name()}`, terminal);
}

/** `error: unknown option '--rol'\n(Did you mean --role?)` on one line. */
function oneSentence(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}
