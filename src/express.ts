// The entry `portcullis/express`: the decision as a middleware.
import { type ExpressOptions, type PortcullisMiddleware, createExpressMiddleware } from './compose/express.ts';
import type { RequestIdentity } from './fronts/express.ts';

export type { ExpressOptions, PortcullisMiddleware, RequestIdentity };

/**
 * Makes a middleware that enforces the configuration's routes, keys, scopes, networks and limits in front of an
 * Express application. What is let through has `req.portcullis`; denials are answered as the gateway answers
 * them. Forwarding is the application's own, and so is the `upgrade` event, which middlewares never see.
 *
 * @example
 * app.use(await portcullis({ config: 'config/portcullis.yaml' }));
 * app.get('/orders/:id', (req, res) => res.json({ owner: req.portcullis?.owner }));
 *
 * @throws {UserFault} with one sentence that says what is wrong and the cure
 */
export function portcullis(options: ExpressOptions): Promise<PortcullisMiddleware> {
  return createExpressMiddleware(options);
}
