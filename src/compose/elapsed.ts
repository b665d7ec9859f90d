// Time to wait, which can be cut short.

/** Resolves after `ms`, or never once it was cancelled. */
export function elapsed(ms: number): { readonly done: Promise<void>; readonly cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return { done: promise, cancel: () => clearTimeout(timer) };
}

/** What the promise gives, or undefined once `ms` have passed. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const deadline = elapsed(ms);
  try {
    return await Promise.race([promise, deadline.done.then(() => undefined)]);
  } finally {
    deadline.cancel();
  }
}
