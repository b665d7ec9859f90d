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
  configureText(program, program.name(), context);
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

/** Where help goes, and how a wrong option or argument is answered: one sentence, and where it is explained. */
function configureText(command: Command, path: string, context: Context): void {
  const { host, terminal } = context;
  command.configureOutput({
    writeOut: (text) => host.stdout.write(text),
    writeErr: (text) => host.stderr.write(text),
    outputError: (text) => sayFault(terminal, `${oneSentence(text)}; see ${path} --help`),
  });
  for (const inner of command.commands) configureText(inner, `${path} ${inner.name()}`, context);
}

/** `error: unknown option '--rol'\n(Did you mean --role?)` on one line. */
function oneSentence(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}
