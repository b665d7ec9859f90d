// Which route answers: what no route matches is denied.
import { type Check, deny } from '../core/decision.ts';
import type { RouteMatch, RouteReading, RouteTable } from '../core/policy.ts';
import type { Accepted, RouteKnown } from '../core/request.ts';
import { fieldValues } from '../core/fields.ts';
import { hostName } from '../core/host-port.ts';

export const matchRoute: Check<Accepted, RouteKnown> = (request, learn) => {
  const match = matchIn(request.policy.routes, request, request.target.segments);
  switch (match.kind) {
    case 'none':
      return deny('route_not_found');
    case 'method':
      return deny('method_not_allowed', { allow: match.allow });
    case 'route':
    case 'preflight':
      learn.route = match.route;
      learn.isPreflight = match.kind === 'preflight';
      return undefined;
  }
};

/** Whether a route that answers is the same one as somebody behind reads the path. */
export function isMatchedAlike(request: Accepted, reading: RouteReading): boolean {
  const match = matchIn(request.policy.routes, request, request.target.segments);
  if (!('route' in match)) return true;
  const there = matchIn(reading.routes, request, reading.segmentsOf(request.target));
  return there.kind === match.kind && 'route' in there && there.route.name === match.route.name;
}

function matchIn(routes: RouteTable, request: Accepted, segments: readonly string[]): RouteMatch {
  return routes.match(hostName(request.host), segments, request.method, preflightMethod(request));
}

/**
 * A CORS preflight is OPTIONS with Origin and Access-Control-Request-Method, without a body (Fetch, section 3.3.2).
 * It passes without a key, so it has to be one for the upstream too: neither field may end here or stand twice.
 */
function preflightMethod({ method, rawHeaders, contentLength }: Accepted): string | undefined {
  if (method !== 'OPTIONS' || contentLength !== 0) return undefined;
  const methods = fieldValues(rawHeaders, 'access-control-request-method');
  if (methods.length !== 1 || fieldValues(rawHeaders, 'origin').length !== 1) return undefined;
  const options = fieldValues(rawHeaders, 'connection').join(',').toLowerCase();
  return options.includes('origin') || options.includes('access-control') ? undefined : methods[0];
}
