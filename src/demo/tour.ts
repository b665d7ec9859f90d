// What the demo prints: where everything is, and lines to paste that show each answer of the gateway.
import { styleText } from 'node:util';

export interface Scene {
  /** Where the gateway listens, host:port. */
  readonly proxy: string;
  readonly ops: string;
  /** The sample upstream's origin. */
  readonly upstream: string;
  readonly secret: string;
  /** Folder of the store, the pepper and the log. */
  readonly data: string;
  readonly logFile: string;
}

interface Stop {
  /** The status that the line shows last, or a word where it shows none. */
  readonly shows: string;
  readonly title: string;
  readonly line: string;
}

const DEFAULT_DATA = 'data/demo';

/** The whole text, coloured where standard output is a terminal that shows colours. */
export function tour(scene: Scene): string {
  const places = [
    ['gateway', `http://${scene.proxy}`, 'in front of the upstream; config/demo.yaml, read again when saved'],
    ['upstream', scene.upstream, 'the sample API "orders", which knows nothing of keys'],
    ['metrics', `http://${scene.ops}/metrics`, 'for Prometheus; /livez and /readyz beside it'],
    ['log', scene.logFile, 'one line a decision'],
    ['key', scene.secret, 'minted just now, its id is demo; shown only once'],
  ] as const;
  const width = Math.max(...places.map(([, place]) => place.length));
  return [
    '',
    styleText('bold', 'Portcullis is running'),
    '',
    ...places.map(
      ([name, place, word]) => `  ${name.padEnd(8)}  ${styleText('cyan', place.padEnd(width))}  ${dim(word)}`,
    ),
    '',
    styleText('bold', 'Paste these into another terminal, in this folder'),
    ...stops(scene).flatMap(({ shows, title, line }) => ['', `  ${coloured(shows)}  ${title}`, `       ${line}`]),
    '',
    dim('Ctrl-C ends the demo and removes its data.'),
    '',
  ].join('\n');
}

function stops({ proxy, ops, secret, data, logFile }: Scene): Stop[] {
  const url = `http://${proxy}`;
  const key = `-H 'x-api-key: ${secret}'`;
  const portcullis = `${data === DEFAULT_DATA ? '' : `DEMO_DATA=${data} `}npx portcullis`;
  return [
    {
      shows: '200',
      title: 'a good key: the upstream answers, and sees who called',
      line: `curl -i ${url}/orders/7 ${key}`,
    },
    { shows: '200', title: 'a public route asks for no key', line: `curl -i ${url}/docs` },
    { shows: '401', title: 'no key', line: `curl -i ${url}/orders/7` },
    {
      shows: '401',
      title: 'a key that was never minted',
      line: `curl -i ${url}/orders/7 -H 'Authorization: Bearer not-a-key'`,
    },
    {
      shows: '403',
      title: 'scope: this key may read orders, not delete them',
      line: `curl -i -X DELETE ${url}/orders/7 ${key}`,
    },
    {
      shows: '403',
      title: 'network: this route is open to 203.0.113.0/24 only',
      line: `curl -i ${url}/office/orders ${key}`,
    },
    { shows: '404', title: 'what no route names is not reachable', line: `curl -i ${url}/internal ${key}` },
    {
      shows: '429',
      title: 'limit: three reports a minute, and this asks for four',
      line: `for i in 1 2 3 4; do curl -s -o /dev/null -w '%{http_code}\\n' ${url}/reports/today ${key}; done`,
    },
    { shows: '200', title: 'an event stream arrives as it is sent', line: `curl -i -N ${url}/orders/events ${key}` },
    {
      shows: '101',
      title: 'a WebSocket: curl shows the handshake and the greeting, and gives up after a second',
      line: `curl -i -s -N --max-time 1 --http1.1 ${url}/orders/socket ${key} -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: cG9ydGN1bGxpcyBkZW1vIQ=='; echo`,
    },
    {
      shows: 'why',
      title: 'the checks of one request, one by one, without sending it',
      line: `${portcullis} explain -c config/demo.yaml --key demo --method DELETE --path /orders/7 --from 127.0.0.1`,
    },
    {
      shows: 'off',
      title: 'disable the key, and try the first line again',
      line: `${portcullis} keys disable demo -c config/demo.yaml`,
    },
    { shows: 'on ', title: 'and enable it', line: `${portcullis} keys enable demo -c config/demo.yaml` },
    {
      shows: 'sum',
      title: 'what was decided so far',
      line: `curl -s http://${ops}/metrics | grep ^portcullis_decisions_total`,
    },
    { shows: 'log', title: 'the log as it grows', line: `tail -f ${logFile}` },
  ];
}

function coloured(shows: string): string {
  const format = shows.startsWith('4') ? 'yellow' : /^\d/.test(shows) ? 'green' : 'magenta';
  return styleText(['bold', format], shows);
}

function dim(text: string): string {
  return styleText('dim', text);
}
