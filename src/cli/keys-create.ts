// `portcullis keys create [ID]`: mints a secret and prints it once.
import type { Command } from 'commander';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { grantsOf, takesGrants } from './grant-options.ts';
import { printMinted } from './print-key.ts';

export function addKeysCreate(keys: Command, context: Context): void {
  const command = keys
    .command('create')
    .summary('mint a secret and print it once')
    .description(
      'Mints a secret and prints it, once. The id of a key that the configuration declares takes what it may do ' +
        'from there; without an id one is made.',
    )
    .argument('[ID]', 'letters, digits, dot, dash and underscore; stands before the options')
    .addHelpText(
      'after',
      `
Options that take several values can be given several times, or several values at once.

Examples:
  $ portcullis keys create --owner acme --role orders-reader --expires 90d
  $ portcullis keys create nightly-sync --owner acme --scope orders:read --scope "invoices:*" --allow 203.0.113.0/24
  $ portcullis keys create billing-job --json        # declared under keys in the configuration`,
    );
  takesJson(takesConfig(takesGrants(command))).action(async (id: string | undefined) => {
    const options = command.opts();
    await withManagement(command, context, async (management) => {
      // The time from now counts from here: opening the store may take a while.
      const { meta, ...grants } = grantsOf(options, Date.now());
      const minted = await management.keys.create({ ...(id !== undefined && { id }), grants, ...(meta && { meta }) });
      const view = management.keys.describe(minted.record);
      const headline = `Key ${view.id} is made.`;
      await printMinted(context, { view, secret: minted.secret, headline, isJson: Boolean(options['json']) });
    });
  });
}
