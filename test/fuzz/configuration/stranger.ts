// Who comes without a key, under a policy that was just compiled: the real pipeline, with a store that admits everything,
// is asked about every route.
import { AddressGuard } from '../../../src/checks/address-guard.ts';
import type { LoadedConfig } from '../../../src/config/load.ts';
import { parseAddress } from '../../../src/core/address.ts';
import type { Policy, Route } from '../../../src/core/policy.ts';
import { KEY_FLAWS } from '../../../src/core/reasons.ts';
import { parseTarget } from '../../../src/core/target.ts';
import { decisionSequence } from '../../../src/decide/decide.ts';
import { RequestState } from '../../../src/decide/request-state.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';

/** Routes that are asked about: more of them show nothing new. */
const MOST_ROUTES = 8;
const PEER = parseAddress('203.0.113.9')!;

/** Whether some request without a key, or with one that nobody has, is let through. */
export async function letsStrangersIn({ config, hash }: LoadedConfig): Promise<boolean> {
  const policy = compilePolicy(config, hash);
  const guard = new AddressGuard(
    policy.guard,
    {
      count: async () => ({ attempts: 1, blockedMs: 0 }),
      forgive: async () => {},
      block: async () => {},
      vouch: async () => {},
      vouchedForMs: async () => 0,
    },
    () => 0,
  );
  const pipeline = decisionSequence({
    guard,
    keys: { recall: () => KEY_FLAWS.indexOf('unknown'), lookUp: async () => 'absent', changes: 0, refuse: () => {} },
    take: (demands) => ({
      isAdmitted: true,
      limits: demands.map(({ requests }) => ({ remaining: requests, resetMs: 1000, isViolated: false })),
      isSeatRefused: false,
    }),
    hold: () => () => {},
  });
  for (const request of requestsFor(policy)) {
    const { outcome } = await pipeline.run(request);
    if (outcome !== 'denied') return true;
  }
  return false;
}

function* requestsFor(policy: Policy): Iterable<RequestState> {
  for (const route of policy.routeList.slice(0, MOST_ROUTES))
    for (const method of [...route.methods.slice(0, 2), 'OPTIONS'])
      for (const rawHeaders of [
        [],
        [policy.credentials.header, 'a-key-that-nobody-has'],
        ['Origin', 'http://a', 'Access-Control-Request-Method', route.methods[0]!],
      ]) {
        const target = parseTarget(pathFor(route), 'a');
        if ('flaw' in target) continue;
        yield new RequestState({
          id: 'fuzz',
          policy,
          acceptedAtMs: 0,
          method,
          target,
          host: (route.hosts[0] ?? 'a').replace('*', 'a'),
          rawHeaders,
          peer: PEER,
          upgrades: [],
          contentLength: 0,
        });
      }
}

function pathFor({ path }: Route): string {
  const filled = path.replaceAll(/\{[^}]*\}|\*\*|\*/g, 'a');
  return encodeURI(filled.isWellFormed() ? filled : '/');
}
