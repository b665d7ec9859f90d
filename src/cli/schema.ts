// `portcullis schema`: the configuration's JSON Schema, for editors.
import type { Command } from 'commander';
import { configJsonSchema } from '../config/json-schema.ts';
import { type Context, takesConfig, takesJson } from './context.ts';

export function addSchema(program: Command, { terminal }: Context): void {
  const command = program
    .command('schema')
    .summary('print the JSON Schema of the configuration')
    .description('Prints the JSON Schema of the configuration. Editors complete and check with it.')
    .addHelpText(
      'after',
      `
Example:
  $ portcullis schema > portcullis.schema.json

The configuration then begins with
  # yaml-language-server: $schema=./portcullis.schema.json`,
    );
  takesJson(takesConfig(command)).action(() => terminal.print(JSON.stringify(configJsonSchema(), null, 2)));
}
