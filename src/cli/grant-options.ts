// The options that say what a key may do, shared by `keys create` and `keys update`.
import { type Command, InvalidArgumentError } from 'commander';
import { durationMs, expiryMs } from '../config/units.ts';
import { UserFault } from '../core/fault.ts';
import type { KeyPatch } from '../manage/key-service.ts';

/** What commander makes of them; `false` is what a `--no-…` option leaves. */
interface GrantOptions {
  readonly owner?: string | false;
  readonly name?: string | false;
  readonly role?: readonly string[] | false;
  readonly scope?: readonly string[] | false;
  readonly allow?: readonly string[] | false;
  readonly deny?: readonly string[] | false;
  readonly plan?: string | false;
  readonly expires?: Expiry;
  readonly meta?: readonly string[] | false;
}

type Expiry = { readonly inMs: number } | { readonly at: number } | 'never';

/** Adds the options. */
export function takesGrants(command: Command): Command {
  return command
    .option('--owner <OWNER>', 'who the key belongs to')
    .option('--name <NAME>', 'a name for people')
    .option('--role <ROLE...>', 'roles of the configuration')
    .option('--scope <SCOPE...>', 'scopes beside those of the roles, like orders:read or orders:*')
    .option('--allow <CIDR...>', 'networks it may be used from; none allows all')
    .option('--deny <CIDR...>', 'networks it may not be used from; deny wins')
    .option('--plan <PLAN>', 'a plan of the configuration')
    .option('--expires <WHEN>', 'a time from now (90d, 12h), a date (its end, UTC), a date with time, or never', expiry)
    .option('--meta <NAME=VALUE...>', 'pairs to be kept with it');
}

/** Adds the options that take a grant away again. */
export function takesClearing(command: Command): Command {
  return command
    .option('--no-owner', 'clear the owner')
    .option('--no-name', 'clear the name')
    .option('--no-role', 'take all roles away')
    .option('--no-scope', 'take all its own scopes away')
    .option('--no-allow', 'clear the allow list: any address may use it')
    .option('--no-deny', 'clear the deny list')
    .option('--no-plan', 'take the plan away: no limits but those of the routes')
    .option('--no-meta', 'clear the pairs');
}

/** What was asked for; a field that no option named is left out. `nowMs` is ms since the epoch. */
export function grantsOf(options: GrantOptions, nowMs: number): KeyPatch {
  const { owner, name, role, scope, allow, deny, plan, expires, meta } = options;
  return {
    ...(owner !== undefined && { owner: unlessCleared(owner) }),
    ...(name !== undefined && { name: unlessCleared(name) }),
    ...(role !== undefined && { roles: role || [] }),
    ...(scope !== undefined && { scopes: scope || [] }),
    ...(allow !== undefined && { allow: allow || [] }),
    ...(deny !== undefined && { deny: deny || [] }),
    ...(plan !== undefined && { plan: unlessCleared(plan) }),
    ...(expires !== undefined && { expiresAt: expiryAt(expires, nowMs) }),
    ...(meta !== undefined && { meta: pairs(meta || []) }),
  };
}

/** Only `--no-…` clears: an empty text, as a variable that is not set leaves behind, is one that no field takes. */
function unlessCleared(text: string | false): string | null {
  return text === false ? null : text;
}

function expiry(text: string): Expiry {
  if (text === 'never') return 'never';
  const inMs = durationMs(text);
  if (inMs !== undefined) return { inMs };
  const at = expiryMs(text);
  if (at === undefined) throw new InvalidArgumentError('Write 90d, 12h, 2027-12-31, 2027-12-31T12:00:00Z or never.');
  return { at };
}

function expiryAt(expires: Expiry, nowMs: number): number | null {
  if (expires === 'never') return null;
  return 'at' in expires ? expires.at : nowMs + expires.inMs;
}

function pairs(meta: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    meta.map((pair): [string, string] => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UserFault(`--meta takes NAME=VALUE, and ${JSON.stringify(pair)} is not`, 2);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
