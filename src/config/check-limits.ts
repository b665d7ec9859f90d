// Limits that no request could ever fit: a call that counts as more than is let through at once.
import type { Finding } from './problem.ts';
import type { Config, LimitConfig } from './schema.ts';

export function checkLimits(config: Config): Finding[] {
  const findings: Finding[] = [];
  for (const [routeName, route] of Object.entries(config.routes)) {
    const path = ['routes', routeName, 'cost'];
    const check = (limits: Readonly<Record<string, LimitConfig>> | undefined, place: readonly string[]): void => {
      for (const [limitName, limit] of Object.entries(limits ?? {})) {
        const most = atOnce(limit);
        if (route.cost <= most) continue;
        const limitPath = [...place, limitName];
        findings.push({
          path,
          message:
            `is ${route.cost}, and ${limitPath.join('.')} lets ${most} through at once, so no request could pass; ` +
            `lower the cost or raise the limit`,
          about: [path, limitPath],
        });
      }
    };
    check(route.limits, ['routes', routeName, 'limits']);
    if (route.access !== 'key') continue;
    for (const [planName, plan] of Object.entries(config.plans)) check(plan.limits, ['plans', planName, 'limits']);
  }
  return findings;
}

function atOnce({ algorithm, requests, burst }: LimitConfig): number {
  return algorithm === 'bucket' ? (burst ?? requests) : requests;
}
