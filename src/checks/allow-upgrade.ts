// An Upgrade passes only where the route lists every protocol it asks for. A WebSocket handshake is a GET
// without a body (RFC 6455 section 4.1).
import { type Check, deny } from '../core/decision.ts';
import type { Accepted, RouteKnown } from '../core/request.ts';

export const allowUpgrade: Check<Accepted & RouteKnown, unknown> = ({ upgrades, route, method, contentLength }) => {
  if (upgrades.length === 0) return undefined;
  if (!upgrades.every((protocol) => route.upgrades.includes(protocol))) return deny('upgrade_refused');
  if (method !== 'GET') return deny('upgrade_refused', { detail: 'method' });
  return contentLength === 0 ? undefined : deny('ambiguous_request', { detail: 'body with an upgrade' });
};
