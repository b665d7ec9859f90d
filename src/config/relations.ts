// What no single field can tell: names that lead nowhere, and fields that contradict each other. Runs on a
// configuration whose every field is valid by itself.
import { checkAddresses } from './check-addresses.ts';
import { checkHeaders } from './check-headers.ts';
import { checkLimits } from './check-limits.ts';
import { checkReferences, type DeclaredNames } from './check-references.ts';
import { checkRoutes } from './check-routes.ts';
import type { Finding } from './problem.ts';
import type { Config } from './schema.ts';

/**
 * Everything wrong between the fields of a configuration.
 * @param names what the file declares, also where the declaration itself is wrong
 */
export function findContradictions(config: Config, names: DeclaredNames): Finding[] {
  return [
    ...checkAddresses(config),
    ...checkHeaders(config),
    ...checkReferences(config, names),
    ...checkRoutes(config),
    ...checkLimits(config),
  ];
}
