// `portcullis check`: validates the configuration and says all that is wrong with it at once.
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { ConfigFault } from '../config/problem.ts';
import { configFile, type Context, takesConfig, takesJson } from './context.ts';
import type { ExitCode } from './faults.ts';

export function addCheck(program: Command, context: Context, end: (code: ExitCode) => void): void {
  const command = program
    .command('check')
    .summary('validate the configuration')
    .description(
      'Validates the configuration and prints every problem at once, each as FILE:LINE:COL PATH: what is wrong and what ' +
        'is accepted. Secret references are resolved; the store is not asked.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis check
  $ portcullis check --config staging.yaml --json`,
    );
  takesJson(takesConfig(command)).action(async () => {
    const { terminal, host } = context;
    const isJson = Boolean(command.opts()['json']);
    const named = await configFile(command, context);
    try {
      const { file, hash, config } = await loadConfig(named, host.env);
      const counts = {
        routes: countOf(config.routes),
        upstreams: countOf(config.upstreams),
        keys: countOf(config.keys),
      };
      await (isJson
        ? terminal.printJson({ valid: true, file, hash, ...counts, problems: [] })
        : terminal.print(
            `${file} is valid: ${amount(counts.routes, 'route')}, ${amount(counts.upstreams, 'upstream')}, ${amount(counts.keys, 'declared key')}.`,
          ));
    } catch (fault) {
      if (!isJson || !(fault instanceof ConfigFault)) throw fault;
      await terminal.printJson({ valid: false, file: named, problems: fault.problems });
      end(fault.exitCode);
    }
  });
}

function countOf(fields: Readonly<Record<string, unknown>>): number {
  return Object.keys(fields).length;
}

function amount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
