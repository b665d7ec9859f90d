// Node's request, without the merged field object that node:http makes of every request only to look for three
// names in it. What a request means is read from the raw list (accept.ts).
import { IncomingMessage } from 'node:http';
import { isField } from '../core/fields.ts';

/** What node:http asks for: is a 100 Continue expected, is there a body. */
type Wanted = 'expect' | 'content-length' | 'transfer-encoding';

export class LeanRequest extends IncomingMessage {}

// Not in the class: TypeScript does not let an accessor take the place of a property.
Object.defineProperty(LeanRequest.prototype, 'headers', {
  get(this: LeanRequest): { [Name in Wanted]?: string } {
    const { rawHeaders } = this;
    let fields: { [Name in Wanted]?: string } = NONE;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const name = wantedName(rawHeaders[at]!);
      if (name === undefined) continue;
      if (fields === NONE) fields = {};
      // The first one counts for node:http too; two of them are refused in accept.ts.
      fields[name] ??= rawHeaders[at + 1]!;
    }
    return fields;
  },
});

const NONE = Object.freeze({});

function wantedName(received: string): Wanted | undefined {
  switch (received.length) {
    case 6:
      return isField(received, 'expect') ? 'expect' : undefined;
    case 14:
      return isField(received, 'content-length') ? 'content-length' : undefined;
    case 17:
      return isField(received, 'transfer-encoding') ? 'transfer-encoding' : undefined;
    default:
      return undefined;
  }
}
