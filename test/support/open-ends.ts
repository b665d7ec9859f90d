// Connections that are open for long: event streams and WebSockets of one who may, each watched for whether it goes
// on and how it ends.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { eventually } from './acceptance-wait.ts';
import { KEY } from './fault-scene.ts';

export class OpenEnds {
  readonly sockets: WebSocket[] = [];
  readonly streams: IncomingMessage[] = [];
  readonly #beats: number[] = [];
  readonly #echoes: number[] = [];
  /** Close codes of WebSockets that have ended. */
  readonly codes: number[] = [];
  /** Streams that have ended, well or not. */
  streamsEnded = 0;

  /** Opens so many of each kind at `/things/socket` and `/things/events`. */
  static async open(port: number, count: number): Promise<OpenEnds> {
    const ends = new OpenEnds();
    for (let at = 0; at < count; at++) {
      await ends.#openSocket(port);
      await ends.#openStream(port);
    }
    return ends;
  }

  get isWhole(): boolean {
    return this.codes.length === 0 && this.streamsEnded === 0;
  }

  /** Waits until each has carried something since now. */
  async assertAlive(): Promise<void> {
    const beats = [...this.#beats];
    const echoes = [...this.#echoes];
    for (const socket of this.sockets) socket.send('ping');
    const isOn = (now: readonly number[], before: readonly number[]): boolean =>
      now.every((count, at) => count > before[at]!);
    await eventually(
      () => {
        if (!isOn(this.#beats, beats) || !isOn(this.#echoes, echoes)) throw new Error('one of them is silent');
      },
      { withinMs: 15_000 },
    );
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
    for (const stream of this.streams) stream.destroy();
  }

  async #openSocket(port: number): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/things/socket`, { headers: { 'X-Api-Key': KEY } });
    const at = this.sockets.push(socket) - 1;
    this.#echoes.push(0);
    socket.on('message', () => this.#echoes[at]!++);
    socket.on('close', (code) => this.codes.push(code)).on('error', () => {});
    await once(socket, 'open');
  }

  async #openStream(port: number): Promise<void> {
    const sent = get({ host: '127.0.0.1', port, path: '/things/events', agent: false, headers: { 'X-Api-Key': KEY } });
    sent.on('error', () => {});
    const [stream] = (await once(sent, 'response')) as [IncomingMessage];
    const at = this.streams.push(stream) - 1;
    this.#beats.push(0);
    stream.on('data', () => this.#beats[at]!++);
    stream.on('error', () => {}).on('close', () => this.streamsEnded++);
  }
}
