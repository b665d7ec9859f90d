// What is done with a configuration right after it was read, by a gateway of one process and by a primary.
import { resolve } from 'node:path';
import type { LoadedConfig } from '../config/load.ts';
import { withoutPassword } from '../config/store-url.ts';
import { UserFault } from '../core/fault.ts';
import type { Policy } from '../core/policy.ts';
import { VERSION } from './version.ts';

/** What is used, with absolute paths: relative ones depend on where the process was started. */
export function startFacts({ config, file, hash }: LoadedConfig) {
  const { pepper } = config.credentials;
  return {
    version: VERSION,
    node: process.versions.node,
    config: file,
    hash,
    store: config.store.url.startsWith('sqlite:')
      ? `sqlite:${resolve(config.store.url.slice('sqlite:'.length))}`
      : withoutPassword(config.store.url),
    pepper: pepper.startsWith('file:') ? `file:${resolve(pepper.slice('file:'.length))}` : pepper,
  };
}

/** The middleware form leaves forwarding to the application; a gateway has to know where to. */
export function refuseWithoutUpstream({ routeList }: Policy): void {
  const route = routeList.find(({ upstream }) => upstream === null);
  if (route)
    throw new UserFault(`route ${route.name} has no upstream; add one under upstreams and name it in the route`, 78);
}
