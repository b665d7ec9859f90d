// `portcullis explain`: what would be decided of a request, and why, check by check.
import { type Command, InvalidArgumentError } from 'commander';
import { type Address, parseAddress } from '../core/address.ts';
import { parseHost } from '../core/host-port.ts';
import type { Explanation } from '../decide/explain.ts';
import { type Context, takesConfig, takesJson, withManagement } from './context.ts';
import { tableLines } from './table.ts';

interface ExplainOptions {
  readonly key?: string;
  readonly method: string;
  readonly path: string;
  readonly from: Address;
  readonly host: string;
  readonly upgrade?: string;
  readonly json?: true;
}

export function addExplain(program: Command, context: Context): void {
  const command = program
    .command('explain')
    .summary('say what would be decided of a request, and why')
    .description(
      'Says what would be decided of a request under the configuration and the keys as they are now, check by check. ' +
        'Nothing is forwarded, and nothing is taken from any limit.',
    )
    .option('--key <ID>', 'the id of the key that the request carries; without it, none')
    .option('--method <METHOD>', 'its method', 'GET')
    .requiredOption('--path <PATH>', 'its path and query, as sent')
    .option('--from <ADDRESS>', "the client's address", address, parseAddress('127.0.0.1'))
    .option('--host <HOST>', 'the host that it names, without port', hostNamed, 'localhost')
    .option('--upgrade <PROTOCOL>', 'the protocol that it asks to change to, like websocket')
    .addHelpText(
      'after',
      `
Examples:
  $ portcullis explain --key billing-job --method GET --path /orders/7 --from 203.0.113.9
  $ portcullis explain --path /docs/ --json`,
    );
  command.options.find(({ long }) => long === '--from')!.defaultValueDescription = '127.0.0.1';
  takesJson(takesConfig(command)).action(async () => {
    const { key, method, path, from, host, upgrade, json } = command.opts<ExplainOptions>();
    await withManagement(command, context, async (management) => {
      const explanation = await management.explain({
        keyId: key ?? null,
        method,
        path,
        from,
        host,
        upgrade: upgrade?.toLowerCase() ?? null,
      });
      await (json ? context.terminal.printJson(explanation) : context.terminal.print(...explanationLines(explanation)));
    });
  });
}

function explanationLines({ outcome, status, code, reason, route, checks }: Explanation): string[] {
  const answer = status === null ? 'the upstream answers' : `${status}${code === null ? '' : ` ${code}`}`;
  return [
    `${outcome}: ${answer} (reason ${reason}, route ${route ?? 'none'})`,
    '',
    ...tableLines(checks.map(({ check, result, detail }) => [check, result, detail])),
  ];
}

function hostNamed(text: string): string {
  const host = text.toLowerCase();
  if (parseHost(host) === undefined)
    throw new InvalidArgumentError('Write a host name or an address, like api.example.com or [2001:db8::9].');
  return host;
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new InvalidArgumentError('Write one address, like 203.0.113.9 or 2001:db8::9.');
  return parsed;
}
