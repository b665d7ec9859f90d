// An upstream some of whose answers are large, and whose bytes are made as they are wanted.
import type { Answer } from './acceptance-upstream.ts';
import { answerBriefly, keepBriefly } from './fault-scene.ts';

const PIECE = Buffer.alloc(64 * 1024, 0x61);

/** Answers `/things/large` with so many bytes, which a client that does not read holds up, and all else briefly. */
export function answerLargely(bytes: number): Answer {
  return (request, response, seen) => {
    if (seen.target !== '/things/large') return answerBriefly(request, response, seen);
    keepBriefly(response);
    request.resume();
    response.setHeader('Content-Length', bytes);
    let left = bytes;
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
        left -= piece.length;
        if (!response.write(piece)) return;
      }
      response.end();
    };
    response.on('drain', more);
    more();
  };
}
