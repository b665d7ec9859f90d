// Choices that look random and follow from a seed, a target and the number of a case: any case can be made again
// without those before it.
import { createHash } from 'node:crypto';
import { randomFrom } from '../support/generated-answers.ts';

export class Draw {
  /** Numbers from 0 up to, not including, 1. */
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  /** The choices of one case. */
  static ofCase(seed: number, target: string, number: number): Draw {
    const digest = createHash('sha256').update(`${seed}/${target}/${number}`).digest();
    return new Draw(randomFrom(digest.readUInt32LE(0)));
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  /** True that often, of 1. */
  chance(of: number): boolean {
    return this.random() < of;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** The text in 1 to `most` pieces. */
  cut(text: string, most: number): string[] {
    const places = Array.from({ length: this.below(most) }, () => this.below(text.length + 1)).toSorted(
      (a, b) => a - b,
    );
    return [0, ...places].map((from, at) => text.slice(from, places[at])).filter((piece) => piece !== '');
  }
}
