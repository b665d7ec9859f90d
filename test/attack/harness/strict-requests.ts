// Reads a byte stream as HTTP/1.1 requests in the narrowest way there is (RFC 9112), written apart from the product:
// what a careless upstream could read in another way is a flaw here, however the product came to send it.

/** A request's head as it stood in the bytes. */
export interface StrictHead {
  readonly method: string;
  readonly target: string;
  /** In order, as spelled, values without the space around them. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The head's bytes, one character a byte. */
  readonly head: string;
}

const REQUEST_LINE = /^([A-Z]+) (\/[\x21-\x7e]*|\*) HTTP\/1\.1$/;
const FIELD =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/;
const LONE_END = /(?:^|[^\r])\n|\r[^\n]/;
const LENGTH = /^(?:0|[1-9]\d{0,14})$/;
const CHUNK_SIZE = /^[0-9A-Fa-f]{1,12}$/;

/** Takes requests from the front of a growing byte sequence. */
export class StrictReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** What has come and belongs to no whole request yet. */
  get rest(): Buffer {
    return this.#bytes;
  }

  push(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  /** The next request's head, or undefined until it is whole. @throws Error naming the flaw */
  head(): StrictHead | undefined {
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end === -1) {
      if (LONE_END.test(this.#bytes.toString('latin1'))) throw new Error('a line that ends with other than CRLF');
      return undefined;
    }
    const head = this.#bytes.toString('latin1', 0, end + 4);
    const [line = '', ...lines] = head.slice(0, -4).split('\r\n');
    const [, method, target] = REQUEST_LINE.exec(line) ?? [];
    if (method === undefined || target === undefined) throw new Error(`request line ${JSON.stringify(line)}`);
    this.#bytes = this.#bytes.subarray(end + 4);
    return { method, target, fields: lines.map(fieldOf), head };
  }

  /** The body behind a head that was taken, or undefined until it is whole. @throws Error naming the flaw */
  body({ fields }: StrictHead): Buffer | undefined {
    const lengths = valuesOf(fields, 'content-length');
    const codings = valuesOf(fields, 'transfer-encoding');
    if (lengths.length + codings.length > 1) throw new Error('more than one field frames the body');
    const [length] = lengths;
    const [coding] = codings;
    if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') throw new Error(`Transfer-Encoding ${JSON.stringify(coding)}`);
      return this.#chunks();
    }
    if (length === undefined) return Buffer.alloc(0);
    if (!LENGTH.test(length)) throw new Error(`Content-Length ${JSON.stringify(length)}`);
    return this.#bytes.length < Number(length) ? undefined : this.#taken(Number(length));
  }

  #taken(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  #chunks(): Buffer | undefined {
    const parts: Buffer[] = [];
    for (let at = 0; ;) {
      const lineEnd = this.#bytes.indexOf('\r\n', at);
      if (lineEnd === -1) return undefined;
      const digits = this.#bytes.toString('latin1', at, lineEnd);
      if (!CHUNK_SIZE.test(digits)) throw new Error(`chunk size ${JSON.stringify(digits)}`);
      const size = Number.parseInt(digits, 16);
      const end = lineEnd + 2 + size;
      if (end + 2 > this.#bytes.length) return undefined;
      if (this.#bytes.toString('latin1', end, end + 2) !== '\r\n')
        throw new Error('a chunk without its CRLF, or a trailer');
      if (size === 0) {
        this.#taken(end + 2);
        return Buffer.concat(parts);
      }
      parts.push(this.#bytes.subarray(lineEnd + 2, end));
      at = end + 2;
    }
  }
}

/** All values of a field, by its exact name in any case. */
export function valuesOf(fields: StrictHead['fields'], name: string): string[] {
  return fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

function fieldOf(line: string): readonly [string, string] {
  const [, name, value] = FIELD.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`field line ${JSON.stringify(line)}`);
  return [name, value];
}
