// Look-ups in a raw field list: name, value, name, value, as received. Node's merged `headers` drops
// duplicates, and a duplicate is just what a check must see.

/** The first value of a field; undefined without one. `name` is lower case. */
export function fieldValue(rawHeaders: readonly string[], name: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (isField(rawHeaders[at]!, name)) return rawHeaders[at + 1];
  }
  return undefined;
}

/** Every value of a field. `name` is lower case. */
export function fieldValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (isField(rawHeaders[at]!, name)) values.push(rawHeaders[at + 1]!);
  }
  return values;
}

/** Whether a received name is `name`, which is lower case. */
export function isField(received: string, name: string): boolean {
  return received.length === name.length && (received === name || received.toLowerCase() === name);
}

/**
 * A value, or an entry of a list in one, without the spaces and tabs around it (RFC 9110 section 5.6.3). `trim` would
 * take more: a no-break space belongs to the value for everybody else.
 */
export function withoutSpaceAround(value: string): string {
  let from = 0;
  let to = value.length;
  while (from < to && isSpace(value.charCodeAt(from))) from++;
  while (to > from && isSpace(value.charCodeAt(to - 1))) to--;
  return value.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
