// What the upstream is told: built from nothing out of the client's end-to-end fields, then ours. A field
// that could pass for one of ours, in any spelling, is not let through.
import type { CredentialPlaces, IdentityHeaders } from '../core/policy.ts';
import { evenName, type Fate, FieldFates, HOP_BY_HOP, namedByConnection, withoutNamed } from './field-fates.ts';

/** All that depends on the configuration only, compiled once. */
export interface HeaderRules {
  readonly fates: FieldFates;
}

export function compileHeaderRules(credentials: CredentialPlaces, identity: IdentityHeaders): HeaderRules {
  const ours = [credentials.header, identity.owner, identity.key, identity.roles, identity.scopes];
  const dropped = new Set([
    ...HOP_BY_HOP,
    ...REPLACED,
    ...MISLEADING,
    ...ours.filter((name) => name !== null).map(evenName),
  ]);
  const classify = (name: string): Fate => {
    if (name === 'connection') return 'connection';
    if (dropped.has(name) || name === 'x-forwarded' || name.startsWith('x-forwarded-')) return 'drop';
    return name === 'authorization' && credentials.acceptsBearer ? 'authorization' : 'pass';
  };
  const fates = new FieldFates(classify, [...dropped, 'authorization'], ['x-forwarded']);
  return { fates };
}

/** What a request's outgoing fields are made of. */
export interface OutgoingRequest {
  /** Name, value, name, value, as received. */
  readonly rawHeaders: readonly string[];
  /** Name, value, name, value: who is calling. */
  readonly identityFields: readonly string[];
  /** The part of `X-Forwarded-For` that is believed, without the peer. */
  readonly forwardedFor: readonly string[];
  readonly peer: string;
  readonly proto: 'http' | 'https';
  /** The Host field's value, as the client sent it. */
  readonly host: string;
  readonly requestId: string;
}

/**
 * The fields for the upstream: name, value, name, value. Framing (`Content-Length`, `Transfer-Encoding`),
 * `Connection` and `Host` are not among them: who carries the request writes those. `Host` is the target's
 * authority and not the client's, so that what the client claims there never chooses a site behind the
 * upstream; the client's stands in `X-Forwarded-Host`.
 */
export function outgoingFields({ fates }: HeaderRules, request: OutgoingRequest): string[] {
  const { rawHeaders } = request;
  let fields: string[] = [];
  let named: Set<string> | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const value = rawHeaders[at + 1]!;
    switch (fates.of(name)) {
      case 'pass':
        fields.push(name, value);
        break;
      case 'authorization':
        if (!BEARER.test(value)) fields.push(name, value);
        break;
      case 'connection':
        named = namedByConnection(value, named);
        break;
      default:
    }
  }
  // Ours come after, so a client cannot take them away by naming them in Connection.
  if (named) fields = withoutNamed(fields, named);
  const chain =
    request.forwardedFor.length === 0 ? request.peer : `${request.forwardedFor.join(', ')}, ${request.peer}`;
  fields.push('X-Forwarded-For', chain, 'X-Forwarded-Proto', request.proto, 'X-Forwarded-Host', request.host);
  fields.push('X-Request-Id', request.requestId);
  for (const part of request.identityFields) fields.push(part);
  return fields;
}

/**
 * A canonical query without the parameter that carries the credential; everything else stays byte for byte.
 * @param query with its `?`, or empty
 * @param name the parameter, or null where none carries one
 */
export function withoutCredential(query: string, name: string | null): string {
  if (name === null || query === '') return query;
  const pairs = query.slice(1).split('&');
  const kept = pairs.filter((pair) => parameterName(pair) !== name);
  if (kept.length === pairs.length) return query;
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

// The configured name has unreserved characters only, which a canonical query never has encoded.
function parameterName(pair: string): string {
  const equals = pair.indexOf('=');
  return equals === -1 ? pair : pair.slice(0, equals);
}

const BEARER = /^\s*bearer(?![!#$%&'*+.^_`|~0-9a-z-])/i;

/** Written anew for the next hop. */
const REPLACED = ['host', 'content-length', 'expect', 'x-request-id', 'forwarded'];

/**
 * Would make an application act on another target, method, host or client than the authorised one. Not in the
 * list of SPEC section 4, but of the same kind: what frameworks and gateways honour in place of the request line
 * and Host, and the older names by which proxies and CDNs say what X-Forwarded-For says.
 */
const MISLEADING = [
  'x-original-url',
  'x-original-uri',
  'x-original-method',
  'x-original-host',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-host',
  'x-http-host-override',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
];
