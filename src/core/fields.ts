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
