// `portcullis keys show ID`: one record under the configuration in force.
import type { Command } from 'commander';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { printKey } from './print-key.ts';

export function addKeysShow(keys: Command, context: Context): void {
  const command = keys
    .command('show')
    .summary('show one key, never its secret')
    .description(
      'Shows one key: its state, what it may do under the configuration in force, and its secrets by their last 4 characters.',
    )
    .argument('<ID>', 'the key')
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis keys show billing-job
  $ portcullis keys show billing-job --json | jq .effectiveScopes`,
    );
  takesJson(takesConfig(command)).action(async (id: string) => {
    await withManagement(command, context, async ({ keys: service }) => {
      await printKey(context, service.describe(await service.get(id)), Boolean(command.opts()['json']));
    });
  });
}
