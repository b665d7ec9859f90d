// Which octets may stand where in a head (RFC 9110 section 5, RFC 9112 sections 4 to 6), as tables: a look-up
// an octet is the cheapest strict check there is.

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const DQUOTE = 0x22;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const BACKSLASH = 0x5c;

/** 1 for a token's characters. */
export const TOKEN: Uint8Array = table((octet) =>
  /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(octet)) ? 1 : 0,
);

/** 1 for what a field value or a reason may hold: visible characters, space, tab and obs-text. */
export const TEXT: Uint8Array = table((octet) => (octet === HTAB || (octet >= SP && octet !== 0x7f) ? 1 : 0));

/** A hexadecimal digit's value plus 1; 0 for all others. */
export const HEX: Uint8Array = table((octet) => {
  const value = Number.parseInt(String.fromCharCode(octet), 16);
  return Number.isNaN(value) ? 0 : value + 1;
});

function table(entry: (octet: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => entry(octet));
}
