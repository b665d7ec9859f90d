// `portcullis keys rotate ID`: a new secret under the same id.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { durationMs } from '../config/units.ts';
import type { RotatedKey } from '../manage/key-service.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { sayFault } from './faults.ts';
import { printMinted } from './print-key.ts';

const DAY_MS = 86_400_000;
const LONGEST_GRACE_MS = 366 * DAY_MS;

export function addKeysRotate(keys: Command, context: Context): void {
  const command = keys
    .command('rotate')
    .summary('give a key a new secret, which is printed once')
    .description(
      'Gives a key a new secret under the same id and prints it, once. The secret before keeps working for the ' +
        "grace, never past the key's own expiry. One that was still in the grace of an earlier rotation ends at once.",
    )
    .argument('<ID>', 'the key')
    .addOption(
      new Option('--grace <DURATION>', 'how long the secret before keeps working; 0 ends it at once')
        .argParser(grace)
        .default(DAY_MS, '24h'),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis keys rotate billing-job
  $ portcullis keys rotate billing-job --grace 7d --json
  $ portcullis keys rotate billing-job --grace 0     # it leaked`,
    );
  takesJson(takesConfig(command)).action(async (id: string) => {
    const { grace: graceMs, json } = command.opts<{ grace: number; json?: true }>();
    await withManagement(command, context, async ({ keys: service }) => {
      const rotated = await service.rotate(id, { graceMs });
      const view = service.describe(rotated.record);
      await printMinted(context, {
        view,
        secret: rotated.secret,
        headline: headlineOf(rotated),
        isJson: Boolean(json),
        retiringUntil: rotated.retiringUntil,
      });
      if (rotated.endedEarlier) {
        sayFault(
          context.terminal,
          `note: a secret still in the grace of an earlier rotation of ${id} was ended; a key has at most two`,
        );
      }
      if (rotated.record.status === 'disabled') {
        sayFault(
          context.terminal,
          `note: key ${id} is disabled; its secrets work once portcullis keys enable ${id} is run`,
        );
      }
    });
  });
}

function headlineOf({ record, retiringUntil }: RotatedKey): string {
  const before =
    retiringUntil === null
      ? 'the secret before no longer works.'
      : `the secret before works until ${new Date(retiringUntil).toISOString()}.`;
  return `Key ${record.id} is rotated; ${before}`;
}

function grace(text: string): number {
  const graceMs = text === '0' ? 0 : durationMs(text);
  if (graceMs !== undefined && graceMs <= LONGEST_GRACE_MS) return graceMs;
  throw new InvalidArgumentError('Write a duration like 10s, 24h or 7d, up to 366d, or 0.');
}
