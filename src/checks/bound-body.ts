// A body that says it is too large is refused before it costs anything; one that does not say is counted
// while it streams.
import { type Check, deny } from '../core/decision.ts';
import type { Accepted, RouteKnown } from '../core/request.ts';

export const boundBody: Check<Accepted & RouteKnown, unknown> = ({ contentLength, route }) =>
  contentLength !== null && contentLength > route.maxBodyBytes ? deny('body_too_large') : undefined;
