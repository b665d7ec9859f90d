// Whether the key may do this: the route's scopes against all that the key was granted.
import { type Check, deny } from '../core/decision.ts';
import type { CallerKnown, RouteKnown } from '../core/request.ts';
import { missingScopes } from '../core/scopes.ts';

export const authorizeScope: Check<RouteKnown & CallerKnown, unknown> = ({ route, caller }) => {
  if (route.scopes === null || caller === null) return undefined;
  const missing = missingScopes(route.scopes, caller.granted);
  return missing.length === 0 ? undefined : deny('scope_missing', { missing });
};
