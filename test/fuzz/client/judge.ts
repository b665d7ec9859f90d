// The judge of client bytes: what the upstream saw is what was authorised, the log has each request once, and the client
// was answered in HTTP.
import type { LogLine } from '../../support/gateway-process.ts';
import { strictAnswerAt } from '../strict/answers.ts';
import { type Fields, optionsOf, valuesOf } from '../strict/lines.ts';
import { strictRequests, type StrictRequest } from '../strict/requests.ts';
import { type Authorised, authorised, evenName } from './authority.ts';
import { IDENTITY, type SceneKey } from './scene.ts';
import type { Witnessed } from './witness.ts';

/** All that one case left behind. */
export interface Trace {
  readonly peer: string;
  /** What the client sent and got, one character a byte. */
  readonly sent: string;
  readonly received: string;
  /** The client went away without waiting for answers. */
  readonly isReset: boolean;
  readonly lines: readonly LogLine[];
  readonly witnessed: readonly Witnessed[];
}

export interface Verdict {
  readonly rule: string;
  readonly detail: string;
}

/** What is wrong, if anything. */
export function judge(trace: Trace): Verdict | undefined {
  const asked = withoutThoseBehindTheLast(strictRequests(trace.sent).requests);
  return judgeUpstream(trace, asked) ?? judgeAnswers(trace, asked) ?? judgeLog(trace, asked);
}

/** A client that says `close`, or is of HTTP/1.0, asks for nothing behind that (RFC 9112 section 9.6). */
function withoutThoseBehindTheLast(requests: readonly StrictRequest[]): readonly StrictRequest[] {
  const last = requests.findIndex(({ version, fields }) => {
    const options = optionsOf(fields, 'connection');
    // Node's parser takes Proxy-Connection for Connection here; to go on is never wrong.
    const isKept = [...options, ...optionsOf(fields, 'proxy-connection')].includes('keep-alive');
    return options.includes('close') || (version === '1.0' && !isKept);
  });
  return last === -1 ? requests : requests.slice(0, last + 1);
}

/** Every request that reached the upstream is one that the client made and was allowed to. */
function judgeUpstream({ peer, lines, witnessed }: Trace, asked: readonly StrictRequest[]): Verdict | undefined {
  const unused = asked.map((request) => ({ request, may: authorised(request) }));
  for (const { request, requestId } of witnessed) {
    const mine = lines.filter((line) => line['requestId'] === requestId);
    const [line] = mine;
    if (mine.length !== 1 || line === undefined)
      return { rule: 'one log line a request', detail: `${requestId}: ${JSON.stringify(mine)}` };
    const reasons: string[] = [];
    const at = unused.findIndex(({ request: from, may }) => {
      const reason = may ? difference(request, from, may, peer, line) : 'it is not authorised';
      if (reason !== undefined) reasons.push(`${from.method} ${from.target}: ${reason}`);
      return reason === undefined;
    });
    if (at === -1)
      return {
        rule: 'what the upstream saw was authorised',
        detail: `${JSON.stringify(request)} from a client that asked: ${reasons.join('; ') || 'nothing that can be read'}; logged as ${JSON.stringify(line)}`,
      };
    unused.splice(at, 1);
  }
  return undefined;
}

/** Why what was seen is not this request; undefined where it is. */
function difference(
  seen: StrictRequest,
  from: StrictRequest,
  may: Authorised,
  peer: string,
  line: LogLine,
): string | undefined {
  if (seen.method !== may.method) return 'another method';
  if (seen.target !== may.target) return `another target than ${may.target}`;
  if (seen.isWhole && !from.isWhole) return 'a body that was cut came whole';
  if (seen.isWhole ? seen.body !== from.body : !from.body.startsWith(seen.body)) return 'another body';
  if (!from.rest.startsWith(seen.rest)) return 'other bytes behind the upgrade';
  if (line['outcome'] !== 'allowed' && !CUT_SHORT.has(String(line['reason'])))
    return `logged as ${String(line['outcome'])}`;
  if (line['method'] !== may.method || !isLoggedAs(may.target.split('?', 1)[0]!, String(line['path'])))
    return 'another path or method in the log';
  if (line['route'] !== may.route || (line['key'] ?? null) !== (may.key?.id ?? null))
    return 'another route or key in the log';
  return fieldDifference(seen.fields, may, peer);
}

/** Long paths are cut short in the log. */
function isLoggedAs(path: string, logged: string): boolean {
  return logged.endsWith('…') ? path.startsWith(logged.slice(0, -1)) : path === logged;
}

/** An allowed request whose body then broke a rule is logged as denied; the upstream saw the part before. */
const CUT_SHORT: ReadonlySet<string> = new Set(['body_too_large', 'request_timeout', 'ambiguous_request']);

/** Fields that the gateway adds or the hop needs; all else has to be the client's, in its order. */
const OURS = new Set([
  'host',
  'connection',
  'upgrade',
  'content-length',
  'transfer-encoding',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  ...Object.values(IDENTITY).map((name) => name.toLowerCase()),
]);

function fieldDifference(fields: Fields, may: Authorised, peer: string): string | undefined {
  const expected: Readonly<Record<string, string>> = {
    'x-forwarded-for': peer,
    'x-forwarded-proto': 'http',
    ...(may.key === null ? {} : identityOf(may.key)),
  };
  for (const name of OURS) {
    const values = valuesOf(fields, name);
    if (values.length > 1) return `${name} twice`;
    const isIdentity = name.startsWith('x-c') || name.startsWith('x-a') || name in expected;
    if (isIdentity && values[0] !== expected[name]) return `${name}: ${values[0]} for ${expected[name]}`;
  }
  if (optionsOf(fields, 'connection').some((option) => !['keep-alive', 'upgrade', 'close'].includes(option)))
    return 'Connection';
  let from = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at]!, fields[at + 1]!];
    if (OURS.has(name.toLowerCase())) continue;
    while (from < may.fields.length && !(may.fields[from] === name && may.fields[from + 1] === value)) from += 2;
    if (from >= may.fields.length) return `a field that may not pass: ${name}: ${value}`;
    from += 2;
  }
  for (let at = 0; at < fields.length; at += 2)
    if (!OURS.has(fields[at]!.toLowerCase()) && OURS.has(evenName(fields[at]!)))
      return `${fields[at]} could pass for one of ours`;
  return undefined;
}

function identityOf(key: SceneKey): Readonly<Record<string, string>> {
  const { owner, key: id, roles, scopes } = IDENTITY;
  return {
    [owner.toLowerCase()]: key.owner,
    [id.toLowerCase()]: key.id,
    [roles.toLowerCase()]: 'reader',
    [scopes.toLowerCase()]: [...key.scopes, 'profile:read'].sort().join(' '),
  };
}

/** What the client got is one answer a request, in HTTP, and none too many. */
function judgeAnswers({ received, isReset, lines }: Trace, asked: readonly StrictRequest[]): Verdict | undefined {
  if (isReset) return undefined;
  const ids = new Set(lines.map((line) => line['requestId']));
  let count = 0;
  for (let at = 0; at < received.length; count++) {
    // A connection may be cut before an answer, for what stands behind its request; a 100 Continue is none.
    if (/^(?:HTTP\/1\.1 100 Continue\r\n\r\n)+$/.test(received.slice(at))) return undefined;
    const answer = answerAt(received, at, asked[count]);
    if (typeof answer === 'string' || answer.state !== 'whole')
      return {
        rule: 'the client is answered in HTTP',
        detail: `${JSON.stringify(answer)} at ${at} of ${JSON.stringify(received)}`,
      };
    if (count > asked.length) return { rule: 'no answer without a request', detail: JSON.stringify(received) };
    const isProblem = valuesOf(answer.fields, 'content-type').includes('application/problem+json');
    const isWitnessed = valuesOf(answer.fields, 'x-witness').length > 0;
    const [id] = valuesOf(answer.fields, 'x-request-id');
    if (answer.status !== 101 && isProblem === isWitnessed)
      return { rule: "an answer is ours or the upstream's", detail: JSON.stringify(answer) };
    if (!ids.has(id))
      return { rule: 'one log line a request', detail: `none for the answer ${JSON.stringify(answer)}` };
    if (answer.status >= 500) return { rule: 'no bytes of a client break the gateway', detail: JSON.stringify(answer) };
    if (answer.status === 101) return undefined;
    // One that waits for a 100 Continue that never comes is the last by that, which nobody can know before it is answered.
    const isKnownToBeLast = !asked.some(({ fields }) => valuesOf(fields, 'expect').length > 0);
    if (isKnownToBeLast && optionsOf(answer.fields, 'connection').includes('close') && lines.length > count + 1)
      return {
        rule: 'nothing behind a last answer is processed',
        detail: `${JSON.stringify(received)}: ${JSON.stringify(lines)}`,
      };
    at = answer.end;
  }
  return undefined;
}

/**
 * What could not be read may have been a HEAD, to which an answer has no body; and a parser that gives up in the midst
 * of a request line may not know yet that it is one.
 */
function answerAt(received: string, at: number, request: StrictRequest | undefined) {
  const answer = strictAnswerAt(received, at, request?.method ?? 'GET', true);
  const isRead = typeof answer !== 'string' && answer.state === 'whole';
  if (isRead && (answer.end === received.length || received.startsWith('HTTP/1.1 ', answer.end))) return answer;
  if (request === undefined) return strictAnswerAt(received, at, 'HEAD', true);
  const isRefusal = isRead && answer.status === 400 && optionsOf(answer.fields, 'connection').includes('close');
  return isRefusal ? strictAnswerAt(received, at, 'GET', true) : answer;
}

/** No request is logged twice, none that was not made, and no line holds a key. */
function judgeLog({ lines }: Trace, asked: readonly StrictRequest[]): Verdict | undefined {
  const ids = new Set(lines.map((line) => line['requestId']));
  if (ids.size !== lines.length) return { rule: 'one log line a request', detail: JSON.stringify(lines) };
  if (lines.length > asked.length + 1) return { rule: 'no log line without a request', detail: JSON.stringify(lines) };
  return undefined;
}
