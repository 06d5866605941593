export interface RefresherTiming {
  /** From the first news to the first refresh, in ms. */
  first: number;
  /** From the end of one refresh to the next, in ms. */
  gap: number;
}

/**
 * Turns a burst of news about a key into few refreshes of it: one soon after the
 * first, then one at a time with a gap between. After the last news come two,
 * because the tables follow the news by a moment.
 */
export class Refresher {
  readonly #refresh: (key: string) => Promise<void>;
  readonly #timing: RefresherTiming;
  readonly #rounds = new Map<string, number>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #stopped = false;

  constructor(
    refresh: (key: string) => Promise<void>,
    timing: RefresherTiming = { first: 150, gap: 1500 },
  ) {
    this.#refresh = refresh;
    this.#timing = timing;
  }

  note(key: string): void {
    const idle = !this.#rounds.has(key);
    this.#rounds.set(key, 2);
    if (idle) this.#after(this.#timing.first, key);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #after(ms: number, key: string): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#round(key);
    }, ms);
    this.#timers.add(timer);
  }

  async #round(key: string): Promise<void> {
    this.#rounds.set(key, (this.#rounds.get(key) ?? 1) - 1);
    await this.#refresh(key);
    if ((this.#rounds.get(key) ?? 0) > 0) this.#after(this.#timing.gap, key);
    else this.#rounds.delete(key);
  }
}
