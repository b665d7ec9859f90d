// Limits and plans, compiled: what the limit store is asked and what the RateLimit fields say.
import type { Config, LimitConfig } from '../config/schema.ts';
import type { Limit, Plan } from '../core/policy.ts';

/** Every plan by name. */
export function compilePlans(config: Config): ReadonlyMap<string, Plan> {
  return new Map(
    Object.entries(config.plans).map(([name, plan]) => {
      const limits = compileLimits(`plan/${name}`, plan.limits);
      return [
        name,
        {
          name,
          limits,
          countsAddress: limits.some(byAddress),
          countsRoute: limits.some(({ by }) => by === 'route'),
          concurrency: plan.concurrency ?? null,
        },
      ];
    }),
  );
}

/** Whether a limit counts by address. */
export function byAddress({ by }: Limit): boolean {
  return by === 'address';
}

/** The limits of one plan or route, in the order of the configuration; `scope` sets their counts apart from others'. */
export function compileLimits(scope: string, limits: Readonly<Record<string, LimitConfig>> = {}): readonly Limit[] {
  return Object.entries(limits).map(([name, { requests, per, algorithm, burst, by }]) => ({
    name,
    by,
    algorithm,
    requests,
    periodMs: per,
    burst: burst ?? requests,
    idPrefix: `${scope}/${name}/${by}/`,
    // draft-ietf-httpapi-ratelimit-headers: `q` is the quota, `w` the window in whole seconds.
    policyItem: `"${name}";q=${requests};w=${Math.ceil(per / 1000)}`,
  }));
}
