// What an application behind the middleware reads of a request's fields, in each of the forms in which Node gives
// them: all of them have to say what an upstream would have been told, and nothing else.
import type { IncomingMessage } from 'node:http';

/** Fields that say how the message is framed, which the application's own parser still needs. */
const FRAMING = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect']);

/**
 * Leaves the application with the fields that an upstream would have got, merged as Node merges them.
 * @param outgoing from `outgoingFields`
 */
export function replaceFields(request: IncomingMessage, outgoing: readonly string[]): void {
  const { headers, rawHeaders } = request;
  const received = valuesByName(rawHeaders);
  const passed = valuesByName(outgoing);
  for (const [name, values] of passed) {
    // Node merged lines that are not passed on: what is left is one of ours, or the first one counts for Node too.
    if (!isSame(values, received.get(name))) headers[name] = values[0]!;
  }
  for (const name of Object.keys(headers)) {
    if (!FRAMING.has(name) && !passed.has(name)) delete headers[name];
  }
  const framing: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (FRAMING.has(rawHeaders[at]!.toLowerCase())) framing.push(rawHeaders[at]!, rawHeaders[at + 1]!);
  }
  rawHeaders.splice(0, rawHeaders.length, ...framing, ...outgoing);
  // Node would make it of as many fields as there were, and may have made it of those that are gone.
  const distinct = Object.create(null) as NodeJS.Dict<string[]>;
  for (const [name, values] of valuesByName(rawHeaders)) distinct[name] = values;
  request.headersDistinct = distinct;
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
