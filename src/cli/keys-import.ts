// `portcullis keys import FILE`: keys that users already hold keep working.
import type { Command } from 'commander';
import { UserFault } from '../core/fault.ts';
import type { ImportCount, ImportListener } from '../manage/key-import.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { openImport } from './import-file.ts';
import { printable } from './printable.ts';

/** Lines between two words on how far it is. */
const PROGRESS_LINES = 10_000;

export function addKeysImport(keys: Command, context: Context): void {
  const command = keys
    .command('import')
    .summary('take in keys that users already hold')
    .description(
      'Takes in keys from a file of JSON Lines. Every line is looked at first; if one is wrong, all that is wrong is ' +
        'listed and nothing is imported. A key that is there already is left as it is, so an import can be run again.',
    )
    .argument('<FILE>', 'one JSON object a line; - reads standard input')
    .addHelpText(
      'after',
      `
A line takes secret (16 to 512 bytes of text) or sha256 (hex, of a text that only its holder knows), and may take
id, owner, name, roles, scopes, networks, plan, expires and meta.

Examples:
  $ portcullis keys import legacy.jsonl
  $ printf '{"owner":"acme","secret":"a key of the old system","roles":["orders-reader"]}\\n' | portcullis keys import -`,
    );
  takesJson(takesConfig(command)).action(async (file: string) => {
    const isJson = Boolean(command.opts()['json']);
    const { terminal, host } = context;
    await withManagement(command, context, async ({ keys: service }) => {
      const lines = await openImport(file, host.stdin);
      const listener: ImportListener = {
        problem: (line, message) => terminal.say(`${file}:${line}: ${printable(message)}`),
        differs: (line, message) =>
          terminal.say(`${file}:${line}: ${printable(message)}; portcullis keys update changes it`),
        progress: (phase, count) => {
          if (count % PROGRESS_LINES === 0) terminal.say(`${phase} ${count} lines`);
        },
        stored: async (record, isNew) => {
          if (!isJson) return;
          const printed = terminal.printJson({ ...service.describe(record), imported: isNew });
          await printed.catch(
            outputFailed(`key ${record.id} and those before it are in; run the import again for the rest`),
          );
        },
      };
      const count = await service.importKeys(lines, listener);
      if (count.problems > 0) throw nothingImported(count, file);
      const summary = summaryOf(count);
      if (!isJson) await terminal.print(`${summary}.`).catch(outputFailed(summary));
    });
  });
}

function nothingImported({ problems }: ImportCount, file: string): UserFault {
  const those = problems === 1 ? 'one problem' : `${problems} problems`;
  return new UserFault(`nothing was imported, because ${file} has ${those}; correct the lines above and run it again`);
}

function outputFailed(standing: string): (fault: unknown) => never {
  return (fault) => {
    throw new UserFault(`the output could not be written, but ${standing}`, 1, fault);
  };
}

function summaryOf({ imported, present }: ImportCount): string {
  const done = `Imported ${imported} ${imported === 1 ? 'key' : 'keys'}`;
  return present === 0 ? done : `${done}; ${present} ${present === 1 ? 'was' : 'were'} there already`;
}
