// Header names the configuration chooses: they must not collide with each other, with what carries a
// credential, or with what HTTP and the gateway use themselves.
import type { Finding } from './problem.ts';
import type { Config } from './schema.ts';

export function checkHeaders(config: Config): Finding[] {
  const { header } = config.credentials;
  const credentialPath = ['credentials', 'header'];
  const findings: Finding[] = [];
  if (TAKEN.has(spelling(header)))
    findings.push({ path: credentialPath, message: `${header} ${TAKEN_MESSAGE}, like x-api-key` });
  const seen = new Map([[spelling(header), { header, path: credentialPath }]]);
  for (const [fact, identityHeader] of Object.entries(config.identityHeaders)) {
    if (identityHeader === null) continue;
    const path = ['identityHeaders', fact];
    if (TAKEN.has(spelling(identityHeader)))
      findings.push({ path, message: `${identityHeader} ${TAKEN_MESSAGE}, or null to send none` });
    const earlier = seen.get(spelling(identityHeader));
    if (earlier)
      findings.push({
        path,
        message: `${identityHeader} is ${earlier.path.join('.')} too; name another, or null to send none`,
        about: [path, earlier.path],
      });
    else seen.set(spelling(identityHeader), { header: identityHeader, path });
  }
  return findings;
}

const TAKEN_MESSAGE = 'has a meaning of its own in HTTP or in the gateway; name another';

/** Servers that hand fields on as variables make one of dash, underscore and dot. */
function spelling(header: string): string {
  return header.toLowerCase().replaceAll(/[_.]/g, '-');
}

const TAKEN = new Set(
  [
    // Hop by hop, framing and routing.
    'connection keep-alive proxy-connection te trailer transfer-encoding upgrade http2-settings expect host via range',
    'content-length content-type content-encoding content-range',
    // Credentials and sessions.
    'authorization proxy-authorization proxy-authenticate www-authenticate cookie set-cookie',
    // What the gateway strips or sets.
    'forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-real-ip',
    'x-original-url x-rewrite-url x-request-id traceparent tracestate',
    // Content negotiation, caching, cross-origin requests and WebSockets.
    'accept accept-encoding accept-language cache-control date origin referer user-agent',
    'access-control-request-method access-control-request-headers',
    'sec-websocket-key sec-websocket-protocol sec-websocket-version sec-websocket-extensions',
  ].flatMap((names) => names.split(' ')),
);
