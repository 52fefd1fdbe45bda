/** The stream of events, with what a browser's own does not do: it comes back after a refusal, and notices a silent death. */

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 10_000;
/** Asked so often whether anybody is there: a cut cable closes no connection. */
const PROBE_MS = 20_000;

type Handlers = {
  open(): void;
  lost(): void;
  prices(data: unknown): void;
  equity(data: unknown): void;
  trades(data: unknown): void;
  decisions(data: unknown): void;
  desk(data: unknown): void;
};

export class Stream {
  readonly #url: string;
  readonly #handlers: Handlers;
  #source: EventSource | null = null;
  #retryMs = FIRST_RETRY_MS;
  #heardAt = 0;

  constructor(url: string, handlers: Handlers) {
    this.#url = url;
    this.#handlers = handlers;
  }

  start(): void {
    this.#connect();
    setInterval(() => void this.#probe(), PROBE_MS);
    // Phones put pages to sleep; who looks again wants to know now.
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.#probe();
    });
  }

  #connect(): void {
    this.#source?.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    const begun = () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#heardAt = Date.now();
      this.#handlers.open();
    };
    // Both begin a connection; after a `reset` trades are missing, and everything is read again anyway.
    source.addEventListener('open', (event) => event instanceof MessageEvent && begun());
    source.addEventListener('reset', begun);
    for (const topic of ['prices', 'equity', 'trades', 'decisions', 'desk'] as const)
      source.addEventListener(topic, ({ data }: MessageEvent<string>) => {
        this.#heardAt = Date.now();
        this.#handlers[topic](JSON.parse(data));
      });
    source.onerror = () => {
      if (this.#source !== source) return;
      this.#handlers.lost();
      // Refused (a proxy without its server, say): the browser has given up, we have not.
      if (source.readyState === EventSource.CLOSED) this.#later();
    };
  }

  #later(): void {
    setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  async #probe(): Promise<void> {
    if (Date.now() - this.#heardAt < PROBE_MS || this.#source?.readyState !== EventSource.OPEN) return;
    try {
      const answer = await fetch('/healthz', { signal: AbortSignal.timeout(PROBE_MS / 2) });
      if (answer.ok) return;
    } catch {
      // Nobody answers: the connection that looks open leads nowhere.
    }
    this.#handlers.lost();
    this.#connect();
  }
}
