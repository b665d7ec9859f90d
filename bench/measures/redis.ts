// How often a request makes Portcullis ask Redis: one key under steady load, and keys that cannot be any.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import type { Bench } from '../bench.ts';
import { fastestListener, startGateway } from '../gateway.ts';
import { keySet } from '../keys.ts';
import { startUpstream } from '../nginx.ts';
import { missingProgram } from '../programs.ts';
import { UsageFault } from '../options.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { load } from '../wrk.ts';

/** Few, so that Redis can tell of every command without becoming what is measured. */
const CONNECTIONS = 8;
const WARM_UP_S = 2;
/** As if minted, with a checksum that is wrong. */
const MALFORMED = `ptc_live_${'0'.repeat(49)}`;

export interface RedisFigures {
  readonly steady: Counted;
  readonly malformed: Counted;
}

interface Counted {
  readonly requests: number;
  /** Commands that the gateway sent, by name; what scripts did inside of Redis is not among them. */
  readonly commands: Readonly<Record<string, number>>;
  readonly commandsPerRequest: number;
}

export async function redis({ session, options, say }: Bench): Promise<void> {
  const missing = missingProgram('redis-server');
  if (missing !== undefined) throw new UsageFault(missing);
  const machine = machineLine();
  const keys = keySet();
  const upstream = await startUpstream(session);
  const http = await fastestListener({ session });
  const gateway = await startGateway({ session, keys, upstream: upstream.port }, { http });
  const counted = async (text: string): Promise<Counted> => {
    const how = { connections: CONNECTIONS, keys: [text] };
    await load(session, gateway, { ...how, seconds: WARM_UP_S });
    const watch = await watchCommands(gateway.redis.port);
    const { requests } = await load(session, gateway, { ...how, seconds: options.seconds });
    const commands = await watch.end();
    const asked = Object.entries(commands).filter(([name]) => !BACKGROUND.has(name));
    return { requests, commands, commandsPerRequest: asked.reduce((sum, [, count]) => sum + count, 0) / requests };
  };
  say('one key under steady load');
  const steady = await counted(keys.working[0]!.text);
  say('keys that cannot be any');
  const malformed = await counted(MALFORMED);
  console.log(`${machine}\nthe ${http} listener\n`);
  const row = (what: string, { requests, commands, commandsPerRequest }: Counted) => [
    what,
    requests,
    Object.entries(commands)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
    commandsPerRequest === 0 ? '0' : commandsPerRequest.toFixed(4),
  ];
  printTable(
    ['', 'requests', 'commands sent to Redis', 'commands a request'],
    [row('one key under steady load', steady), row('malformed keys', malformed)],
  );
  console.log(
    '\nxread and xrevrange are the change feed, and ping a sign of life: both go on without any request, and are not counted a request.',
  );
  keepResults('redis', options, machine, { steady, malformed } satisfies RedisFigures);
}

/** What the gateway sends whether or not there are requests: its change feed, and signs of life. */
const BACKGROUND: ReadonlySet<string> = new Set(['xread', 'xrevrange', 'ping', 'info', 'hello', 'client']);

/** Counts what clients send, from here on until `end`. */
async function watchCommands(port: number): Promise<{ end(): Promise<Record<string, number>> }> {
  const counts: Record<string, number> = {};
  const socket = createConnection(port, '127.0.0.1');
  const lines = createInterface(socket);
  const monitoring = once(lines, 'line');
  socket.write('MONITOR\r\n');
  await monitoring;
  // +1700000000.000000 [0 127.0.0.1:41234] "evalsha" …; what a script does says [0 lua].
  lines.on('line', (line: string) => {
    const name = /^\+[\d.]+ \[\d+ (?!lua)[^\]]+\] "(\w+)"/.exec(line)?.[1]?.toLowerCase();
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  });
  return {
    end: async () => {
      const ended = once(lines, 'close');
      socket.end('QUIT\r\n');
      await ended;
      delete counts['quit'];
      return counts;
    },
  };
}
