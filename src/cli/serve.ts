// `portcullis serve`: runs the gateway until a signal ends it.
import type { Command } from 'commander';
import type { Serving } from '../compose/workers.ts';
import { configFile, type Context, takesConfig } from './context.ts';
import type { ExitCode } from './faults.ts';
import { sayFault } from './faults.ts';

/**
 * npm passes on a Ctrl-C that the terminal has given to this process already. Only a signal that comes later
 * than this, ms, is a person who will not wait.
 */
const SAME_SIGNAL_MS = 250;

export function addServe(program: Command, context: Context, end: (code: ExitCode) => void): void {
  const command = program
    .command('serve')
    .summary('run the gateway')
    .description(
      'Runs the gateway. SIGTERM and Ctrl-C end it: requests under way are finished first, as shutdown in the ' +
        'configuration says, and a second signal cuts them. SIGHUP reads the configuration again.',
    )
    .addHelpText(
      'after',
      `
Example:
  $ portcullis serve --config /etc/portcullis/portcullis.yaml`,
    );
  takesConfig(command).action(async () => {
    const { host, terminal } = context;
    let gateway: Serving | null = null;
    // From here on, so that a signal that comes during the start is not one that kills.
    const ended = firstSignal(context, () => gateway?.cut());
    host.on('SIGHUP', () => {
      // A start reads the configuration anyway, and what changes meanwhile is noticed.
      gateway
        ?.reload()
        .catch((fault: Error) => sayFault(terminal, `the configuration could not be read again: ${fault.message}`));
    });
    const file = await configFile(command, context);
    // Here, so that other commands do not load the data plane.
    const { startServing } = await import('../compose/workers.ts');
    gateway = await startServing(file, host.env);
    await ended;
    end(await gateway.stop());
  });
}

/** Resolves at the first signal to end; a second one ends the process at once, behind `cut`. */
function firstSignal({ host }: Context, cut: () => void): Promise<void> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const onSignal = (): void => {
      const nowMs = performance.now();
      if (firstAtMs === undefined) {
        firstAtMs = nowMs;
        resolve();
      } else if (nowMs - firstAtMs > SAME_SIGNAL_MS) {
        cut();
        host.exit(1);
      }
    };
    host.on('SIGTERM', onSignal);
    host.on('SIGINT', onSignal);
  });
}
