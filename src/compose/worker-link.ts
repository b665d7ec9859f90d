// The primary's end of the channel to one worker: questions, and answers that may come late or never.
import type { ChildProcess } from 'node:child_process';
import type { LoadedConfig } from '../config/load.ts';
import type { Answers, FromWorker, Topic, ToWorker } from './worker-messages.ts';

export class WorkerLink {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answers[Topic] | undefined) => void>();
  /** Questions under way: a worker that hangs is asked nothing twice. */
  readonly #asked = new Map<Topic, Promise<unknown>>();
  #lastId = 0;
  #isFull = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: FromWorker) => {
      if (message.kind !== 'answer') return;
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
    });
    child.once('exit', () => {
      for (const settle of this.#waiting.values()) settle(undefined);
      this.#waiting.clear();
    });
  }

  /** Whether an answer is owed. */
  owes(topic: Topic): boolean {
    return this.#asked.has(topic);
  }

  /** The answer, however late; undefined if the worker ends before. Those who ask meanwhile get the same. */
  ask<T extends Exclude<Topic, 'put'>>(topic: T): Promise<Answers[T] | undefined> {
    const asked = this.#asked.get(topic) ?? this.#send(topic, (id) => ({ kind: 'ask', id, topic }));
    return asked as Promise<Answers[T] | undefined>;
  }

  /** Hands a configuration over; the answer is why it was refused. */
  put(config: LoadedConfig): Promise<Answers['put'] | undefined> {
    return this.#send('put', (id) => ({ kind: 'ask', id, topic: 'put', config })) as Promise<
      Answers['put'] | undefined
    >;
  }

  /** Whether messages wait because the worker does not read; what can be done without is then left out. */
  get isFull(): boolean {
    return this.#isFull;
  }

  tell(message: ToWorker): void {
    if (!this.#child.connected) return;
    this.#isFull = !this.#child.send(message, () => {
      // Taken, or the channel has just broken, which the worker's exit says.
      this.#isFull = false;
    });
  }

  #send(topic: Topic, question: (id: number) => ToWorker): Promise<unknown> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Answers[Topic] | undefined>();
    this.#waiting.set(id, resolve);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve(undefined);
    const asked = promise.finally(() => {
      if (this.#asked.get(topic) === asked) this.#asked.delete(topic);
      this.#waiting.delete(id);
    });
    this.#asked.set(topic, asked);
    this.tell(question(id));
    return asked;
  }
}
