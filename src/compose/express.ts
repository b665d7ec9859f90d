// The middleware with all that it needs behind it: store, change feed, metrics, log and reload.
import type { RequestHandler } from 'express';
import { compileHeaderRules, type HeaderRules } from '../forward/headers.ts';
import { createMiddleware } from '../fronts/express.ts';
import type { Policy } from '../core/policy.ts';
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
  let inForce: { policy: Policy; headerRules: HeaderRules } | undefined;
  const enforcement = await createEnforcement({ config, env }, ({ policy }) => {
    inForce = { policy, headerRules: compileHeaderRules(policy.credentials, policy.identity) };
  });
  const { decide, open, recorder, metrics } = enforcement;
  return Object.assign(createMiddleware({ inForce: () => inForce!, decide, open, recorder }), {
    metrics: () => metrics.scrape(),
    reload: () => enforcement.reload(),
    close: () => enforcement.close(),
  });
}
