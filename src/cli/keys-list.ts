// `portcullis keys list`: an aligned table, or one JSON object a line.
import { type Command, Option } from 'commander';
import { type KeyView, SHOWN_STATES, type ShownState } from '../manage/key-view.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { KEY_COLUMNS, keyRow } from './key-lines.ts';
import { tableLines } from './table.ts';

export function addKeysList(keys: Command, context: Context): void {
  const command = keys
    .command('list')
    .summary('list keys, never a secret')
    .description('Lists keys. Of a secret it shows the first part and the last 4 characters.')
    .option('--owner <OWNER>', 'only those of this owner')
    .addOption(new Option('--state <STATE>', 'only those in this state').choices(SHOWN_STATES))
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis keys list
  $ portcullis keys list --owner acme --state active
  $ portcullis keys list --json | jq -r 'select(.expires != null) | [.id, .expires] | @tsv'`,
    );
  takesJson(takesConfig(command)).action(async () => {
    const { owner, state, json } = command.opts<{ owner?: string; state?: ShownState; json?: true }>();
    await withManagement(command, context, async (management) => {
      const found = management.keys.list({ ...(owner !== undefined && { owner }), ...(state && { state }) });
      await (json ? printLines(found, context) : printTable(found, context));
    });
  });
}

/** As they come, so that a million of them take no memory. */
async function printLines(found: AsyncIterable<KeyView>, { terminal }: Context): Promise<void> {
  for await (const view of found) {
    await terminal.printJson(view);
    if (terminal.isReaderGone) return;
  }
}

async function printTable(found: AsyncIterable<KeyView>, { terminal }: Context): Promise<void> {
  const rows: string[][] = [];
  for await (const view of found) rows.push(keyRow(view));
  if (rows.length === 0) return terminal.say('No such keys; portcullis keys create makes one.');
  rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  await terminal.print(...tableLines([KEY_COLUMNS, ...rows]));
}
