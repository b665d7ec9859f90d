// Which route answers: what no route matches is denied.
import { type Check, deny } from '../core/decision.ts';
import type { Accepted, RouteKnown } from '../core/request.ts';
import { fieldValue } from '../core/fields.ts';

export const matchRoute: Check<Accepted, RouteKnown> = (request, learn) => {
  const { policy, host, target, method, rawHeaders } = request;
  const match = policy.routes.match(hostName(host), target.segments, method, preflightMethod(method, rawHeaders));
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

/** The host without port and without the root's dot, which name the same host. */
function hostName(host: string): string {
  const portAt = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':');
  const name = portAt > 0 ? host.slice(0, portAt) : host;
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** A CORS preflight is OPTIONS with Origin and Access-Control-Request-Method (Fetch, section 3.3.2). */
function preflightMethod(method: string, rawHeaders: readonly string[]): string | undefined {
  if (method !== 'OPTIONS' || fieldValue(rawHeaders, 'origin') === undefined) return undefined;
  return fieldValue(rawHeaders, 'access-control-request-method');
}
