// A quick hash of a text, for tables in which a collision costs a little work and nothing else. Whoever picks the
// texts can make them collide.

/** FNV-1a, 32 bits, of the UTF-16 units. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash | 0;
}
