// How many look-ups are under way for each source. Whoever waits for one of them shares one promise, which is made when it is
// needed: a map that is filled and emptied all the time leaves old tables behind, and what stands in them is held
// until a full garbage collection.

export class SourceLookUps {
  readonly #underWay = new Map<string, UnderWay>();

  count(source: string): number {
    return this.#underWay.get(source)?.count ?? 0;
  }

  begin(source: string): void {
    const underWay = this.#underWay.get(source);
    if (underWay) underWay.count++;
    else this.#underWay.set(source, { count: 1, next: undefined });
  }

  /** Ends one that was begun. */
  end(source: string): void {
    const underWay = this.#underWay.get(source);
    if (!underWay) return;
    if (--underWay.count === 0) this.#underWay.delete(source);
    underWay.next?.resolve();
    underWay.next = undefined;
  }

  /** Settles as soon as one of those under way ends; undefined where there is none. */
  nextEnd(source: string): Promise<void> | undefined {
    const underWay = this.#underWay.get(source);
    return underWay && (underWay.next ??= Promise.withResolvers<void>()).promise;
  }
}

interface UnderWay {
  count: number;
  next: PromiseWithResolvers<void> | undefined;
}
