// The middleware with all that it needs behind it: store, change feed, metrics, log and reload.
import type { RequestHandler } from 'express';
import { isMatchedAlike } from '../checks/match-route.ts';
import { deny } from '../core/decision.ts';
import { compileHeaderRules } from '../forward/headers.ts';
import type { Decision } from '../decide/sequence.ts';
import { createMiddleware, type MiddlewareRules } from '../fronts/express.ts';
import { compileRouterReading } from '../policy/router-reading.ts';
import { type ConfigSource, createEnforcement } from './enforcement.ts';

export interface ExpressOptions {
  /** Path of the configuration file, which is watched, or the configuration itself. Its routes need no `upstream`. */
  readonly config: ConfigSource;
  /** Where `${NAME}` and `env:NAME` are looked up. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface PortcullisMiddleware extends RequestHandler {
  /** The metrics in Prometheus's text format, for a route of the application's own. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Reads the configuration file again; one that is refused is logged, and the one before stays in force. */
  reload(): Promise<void>;
  /** Ends what runs in the background. Requests are no longer let through afterwards. */
  close(): Promise<void>;
}

export async function createExpressMiddleware({
  config,
  env = process.env,
}: ExpressOptions): Promise<PortcullisMiddleware> {
  let inForce: MiddlewareRules | undefined;
  let isClosed = false;
  const enforcement = await createEnforcement({ config, env }, ({ policy }) => {
    const reading = compileRouterReading(policy.routeList);
    inForce = {
      policy,
      headerRules: compileHeaderRules(policy.credentials, policy.identity),
      isRoutedAlike: (request) => isMatchedAlike(request, reading),
    };
  });
  const { open, recorder, metrics } = enforcement;
  // What is cached would let keys through of whose end is heard no longer.
  const decide: typeof enforcement.decide = (request) => (isClosed ? CLOSED : enforcement.decide(request));
  return Object.assign(createMiddleware({ inForce: () => inForce!, decide, open, recorder }), {
    metrics: () => metrics.scrape(),
    reload: () => enforcement.reload(),
    close: () => {
      isClosed = true;
      return enforcement.close();
    },
  });
}

const CLOSED: Decision = {
  outcome: 'denied',
  denial: deny('store_unavailable', { detail: 'the middleware was closed' }),
  deniedBy: null,
};
