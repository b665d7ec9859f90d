// An upstream of which some answers never end: event streams beat, WebSockets echo, all else is answered at once.
import type { Answer } from './acceptance-upstream.ts';
import { keepBriefly } from './fault-scene.ts';

/** Between two events of a stream, ms. */
const BEAT_MS = 50;

export const answerStreaming: Answer = (request, response, seen) => {
  keepBriefly(response);
  if (!seen.target.endsWith('/events')) {
    request.resume().on('end', () => response.end('ok'));
    return;
  }
  request.resume();
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  let beat = 0;
  const timer = setInterval(() => response.write(`data: ${beat++}\n\n`), BEAT_MS);
  response.on('close', () => clearInterval(timer));
};
