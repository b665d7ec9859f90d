// What an application behind the middleware reads of a request's fields, in each of the forms in which Node gives
// them: all of them have to say what an upstream would have been told, and nothing else.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** Fields that say how the message is framed, which the application's own parser still needs. */
const FRAMING = new Set(['host', 'content-length', 'transfer-encoding', 'expect']);
/** What an application may be told of the connection. */
const CONNECTION_OPTIONS = new Set(['close', 'keep-alive']);

/**
 * Leaves the application with the fields that an upstream would have got, merged as Node merges them.
 * @param outgoing from `outgoingFields`
 * @param isUpgrade whether it asks for an upgrade that was allowed
 */
export function replaceFields(request: IncomingMessage, outgoing: readonly string[], isUpgrade: boolean): void {
  const { headers, rawHeaders } = request;
  const connection = connectionFields(headers, isUpgrade);
  const received = valuesByName(rawHeaders);
  const passed = valuesByName(outgoing);
  for (const [name, values] of passed) {
    // Node merged lines that are not passed on: what is left is one of ours, or the first one counts for Node too.
    if (!isSame(values, received.get(name))) headers[name] = values[0]!;
  }
  for (const name of Object.keys(headers)) {
    if (!FRAMING.has(name) && !passed.has(name)) delete headers[name];
  }
  for (let at = 0; at < connection.length; at += 2) headers[connection[at]!.toLowerCase()] = connection[at + 1]!;
  const framing: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (FRAMING.has(rawHeaders[at]!.toLowerCase())) framing.push(rawHeaders[at]!, rawHeaders[at + 1]!);
  }
  rawHeaders.splice(0, rawHeaders.length, ...framing, ...connection, ...outgoing);
  // Node would make it of as many fields as there were, and may have made it of those that are gone.
  const distinct = Object.create(null) as NodeJS.Dict<string[]>;
  for (const [name, values] of valuesByName(rawHeaders)) distinct[name] = values;
  request.headersDistinct = distinct;
}

/** An identity in a trailer would pass for the one that was found out; an upstream gets none either. */
export function dropTrailers(request: IncomingMessage): void {
  request.prependOnceListener('end', () => {
    request.rawTrailers = [];
    request.trailers = {};
    request.trailersDistinct = {};
  });
}

/**
 * Connection and Upgrade as far as they are of use. Whatever else Connection names was taken away already; an application
 * that hands it on would have the next hop take away fields of ours.
 */
function connectionFields({ connection = '', upgrade }: IncomingHttpHeaders, isUpgrade: boolean): string[] {
  const options = connection.split(',').map((option) => option.trim().toLowerCase());
  const kept = options.filter((option) => CONNECTION_OPTIONS.has(option));
  if (isUpgrade) kept.push('upgrade');
  const fields = kept.length === 0 ? [] : ['Connection', kept.join(', ')];
  return isUpgrade && upgrade !== undefined ? [...fields, 'Upgrade', upgrade] : fields;
}

function valuesByName(fields: readonly string[]): Map<string, string[]> {
  const byName = new Map<string, string[]>();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase();
    const values = byName.get(name);
    if (values) values.push(fields[at + 1]!);
    else byName.set(name, [fields[at + 1]!]);
  }
  return byName;
}

function isSame(values: readonly string[], others: readonly string[] | undefined): boolean {
  return others?.length === values.length && values.every((value, at) => value === others[at]);
}
