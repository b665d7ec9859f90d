// `portcullis keys update ID …`: changes what a key may do.
import type { Command } from 'commander';
import { UserFault } from '../core/fault.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { grantsOf, takesClearing, takesGrants } from './grant-options.ts';
import { printChanged } from './print-key.ts';

export function addKeysUpdate(keys: Command, context: Context): void {
  const command = keys
    .command('update')
    .summary('change what a key may do')
    .description(
      'Changes a key. Each option replaces its field whole, lists too; what is not named stays. What a declared key ' +
        'may do stands in the configuration and is changed there; only its pairs (--meta) are changed here.',
    )
    .argument('<ID>', 'the key')
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis keys update nightly-sync --scope orders:read --scope orders:write
  $ portcullis keys update nightly-sync --no-plan --expires never`,
    );
  takesJson(takesConfig(takesClearing(takesGrants(command)))).action(async (id: string) => {
    const options = command.opts();
    if (Object.keys(grantsOf(options, Date.now())).length === 0) {
      throw new UserFault('nothing to change was given; portcullis keys update --help lists what can be', 2);
    }
    await withManagement(command, context, async ({ keys: service }) => {
      // The time from now counts from here: opening the store may take a while.
      const record = await service.update(id, grantsOf(options, Date.now()));
      await printChanged(context, service.describe(record), Boolean(options['json']));
    });
  });
}
