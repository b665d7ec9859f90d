// What every command stands on: where its configuration is, and the service it works through.
import { access } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Management } from '../compose/management.ts';
import { UserFault } from '../core/fault.ts';
import { sayFault } from './faults.ts';
import type { Host, Terminal } from './terminal.ts';

/** What the commands are given. */
export interface Context {
  readonly host: Host;
  readonly terminal: Terminal;
}

const DEFAULT_CONFIG = 'config/portcullis.yaml';

/** Adds the option that every command takes. */
export function takesConfig(command: Command): Command {
  return command.option('-c, --config <FILE>', `the configuration (default: $PORTCULLIS_CONFIG, or ${DEFAULT_CONFIG})`);
}

/** Adds the option of commands that print data. */
export function takesJson(command: Command): Command {
  return command.option('--json', 'print JSON');
}

/**
 * The configuration's path: by option, by environment, or the default.
 * @throws {UserFault} with the cure, if it was not named and is not there (78)
 */
export async function configFile(command: Command, { host }: Context): Promise<string> {
  const named = configOption(command) ?? (host.env['PORTCULLIS_CONFIG'] || undefined);
  if (named !== undefined) return named;
  try {
    await access(DEFAULT_CONFIG);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') return DEFAULT_CONFIG;
    throw new UserFault(
      `there is no ${DEFAULT_CONFIG} in this directory; make one, or name yours with --config FILE or PORTCULLIS_CONFIG`,
      78,
      cause,
    );
  }
  return DEFAULT_CONFIG;
}

/** Runs work on the opened configuration, store and service, and closes them behind it. */
export async function withManagement<T>(
  command: Command,
  context: Context,
  work: (management: Management) => Promise<T>,
): Promise<T> {
  const { host, terminal } = context;
  // Here, so that commands which need neither store nor peppers do not load them.
  const { openManagement } = await import('../compose/management.ts');
  const management = await openManagement({
    file: await configFile(command, context),
    env: host.env,
    warn: (message) => sayFault(terminal, message),
  });
  try {
    return await work(management);
  } finally {
    await management.close();
  }
}

/** The option's value, given to the command itself or before its name. */
function configOption(command: Command | null): string | undefined {
  if (command === null) return undefined;
  return (command.opts()['config'] as string | undefined) ?? configOption(command.parent);
}
