// `portcullis keys disable|enable|revoke ID`: whether a key works at all.
import type { Command } from 'commander';
import type { KeyRecord } from '../core/key-record.ts';
import type { KeyService } from '../manage/key-service.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { printChanged } from './print-key.ts';

interface Switch {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly turn: (service: KeyService, id: string) => Promise<KeyRecord>;
}

const SWITCHES: readonly Switch[] = [
  {
    name: 'disable',
    summary: 'switch a key off until it is enabled',
    description: 'Switches a key off. Running gateways refuse it within 1 s, until it is enabled again.',
    turn: (service, id) => service.disable(id),
  },
  {
    name: 'enable',
    summary: 'switch a disabled key on',
    description: 'Switches a disabled key on. A revoked key stays revoked, and an expired one expired.',
    turn: (service, id) => service.enable(id),
  },
  {
    name: 'revoke',
    summary: 'end a key for good',
    description: 'Ends a key for good: running gateways refuse it within 1 s, and nothing brings it back.',
    turn: (service, id) => service.revoke(id),
  },
];

export function addKeysSwitches(keys: Command, context: Context): void {
  for (const { name, summary, description, turn } of SWITCHES) {
    const command = keys
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<ID>', 'the key')
      .addHelpText('after', `\nExample:\n  $ portcullis keys ${name} billing-job`);
    takesJson(takesConfig(command)).action(async (id: string) => {
      await withManagement(command, context, async ({ keys: service }) => {
        await printChanged(context, service.describe(await turn(service, id)), Boolean(command.opts()['json']));
      });
    });
  }
}
