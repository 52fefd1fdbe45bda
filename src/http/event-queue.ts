/** What waits for a client that reads more slowly than things happen. Bounded: a client that falls behind is let go. */

const MAX_WAITING_CHARS = 1_000_000;

export class EventQueue {
  readonly #maxChars: number;
  #texts: string[] = [];
  #chars = 0;
  #isEnded = false;
  #wake: (() => void) | null = null;
  /** Called once, when more waits than may. The queue has ended then. */
  onOverflow: () => void = () => undefined;

  constructor(maxChars = MAX_WAITING_CHARS) {
    this.#maxChars = maxChars;
  }

  add(text: string): void {
    if (this.#isEnded) return;
    this.#texts.push(text);
    this.#chars += text.length;
    if (this.#chars > this.#maxChars) {
      this.#texts = [];
      this.end();
      this.onOverflow();
      return;
    }
    this.#wake?.();
  }

  /** What waits is not handed out any more. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** The texts as they come, all that wait together at once, until the end. */
  async *texts(): AsyncGenerator<string> {
    while (!this.#isEnded) {
      if (this.#texts.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const text = this.#texts.join('');
      this.#texts = [];
      // Counted until they are taken over: what is being written is held in memory, too.
      yield text;
      this.#chars -= text.length;
    }
  }
}
