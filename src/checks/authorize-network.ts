// From where: the key's lists and the route's must both agree.
import { type Check, deny } from '../core/decision.ts';
import type { CallerKnown, ClientKnown, RouteKnown } from '../core/request.ts';

export const authorizeNetwork: Check<ClientKnown & RouteKnown & CallerKnown, unknown> = ({ client, route, caller }) => {
  if (!route.networks.permits(client)) return deny('network_denied', { detail: 'route' });
  if (caller !== null && !caller.networks.permits(client)) return deny('network_denied', { detail: 'key' });
  return undefined;
};
