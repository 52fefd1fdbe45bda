/** A value that components watch. They draw again when what they took of it has changed, and for nothing else. */

import { useLayoutEffect, useState } from 'preact/hooks';

export class Store<T extends object> {
  #value: T;
  readonly #watchers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(change: Partial<T>): void {
    this.#value = { ...this.#value, ...change };
    for (const watcher of this.#watchers) watcher();
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** What `pick` takes of the store; it must give the same object while nothing of it has changed. */
export function useStore<T extends object, U>(store: Store<T>, pick: (value: T) => U): U {
  const [, draw] = useState(0);
  const picked = pick(store.value);
  useLayoutEffect(() => {
    let last = picked;
    return store.watch(() => {
      const now = pick(store.value);
      if (Object.is(last, now)) return;
      last = now;
      draw((count) => count + 1);
    });
  }, [store, picked]);
  return picked;
}
