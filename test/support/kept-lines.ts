// A log destination that keeps what is written.
import type { LogDestination } from '../../src/record/log-destination.ts';

export class KeptLines implements LogDestination {
  text = '';
  readonly dropped = 0;

  write(line: string): void {
    this.text += line;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Every line, parsed. */
  get lines(): Record<string, unknown>[] {
    const texts = this.text.split('\n').slice(0, -1);
    return texts.map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}
