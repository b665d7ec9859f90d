// Work on a stream, several items at once, with the results in the stream's order.

/**
 * Runs `work` on every item, at most `width` at once. The part of `work` before its first wait runs in order.
 * Where the consumer stops or an item fails, no further item is begun.
 */
export async function* inParallel<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // It is waited for in its turn; until then its failure is not an unhandled one.
      result.catch(() => undefined);
      underWay.push(result);
      if (underWay.length >= width) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    // What is under way ends before the consumer goes on, and closes what it works on.
    await Promise.allSettled(underWay);
  }
}
