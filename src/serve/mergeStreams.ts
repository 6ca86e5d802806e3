/** Several async streams as one: items as they come, each with the number of its stream. The first failure ends all. */
export interface Merged<T> {
  readonly source: number;
  readonly item: T;
}

type Arrived<T> =
  | { readonly source: number; readonly result: IteratorResult<T> }
  | { readonly source: number; readonly error: unknown };

/** Each stream is asked for its next item once the one before was taken. */
export async function* mergeStreams<T>(streams: readonly AsyncIterable<T>[]): AsyncGenerator<Merged<T>> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const arrived: Arrived<T>[] = [];
  let wake: (() => void) | null = null;
  const arrive = (what: Arrived<T>): void => {
    arrived.push(what);
    wake?.();
  };
  const ask = (source: number): void => {
    iterators[source]?.next().then(
      (result) => arrive({ source, result }),
      (error: unknown) => arrive({ source, error }),
    );
  };
  let open = iterators.length;
  try {
    for (const source of iterators.keys()) ask(source);
    while (open > 0) {
      const next = arrived.shift();
      if (!next) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = null;
        continue;
      }
      if ("error" in next) throw next.error;
      if (next.result.done) {
        open--;
        continue;
      }
      yield { source: next.source, item: next.result.value };
      ask(next.source);
    }
  } finally {
    for (const iterator of iterators) iterator.return?.()?.catch(() => {});
  }
}
