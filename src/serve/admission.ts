/** How many completions of a model may run or wait. Who comes too many is told when to come back, by how fast places have become free lately. */
import { ApiError, invalid } from "./apiError.js";

const mostRetrySeconds = 30;

export class Admission {
  readonly limit: number;
  readonly #now: () => number;
  #inFlight = 0;
  /** Moving average of the time between places becoming free. */
  #msPerPlace = 100;
  #lastFree: number | null = null;

  /** @param now milliseconds */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.limit = limit;
    this.#now = now;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Takes places for the completions of one request.
   * @returns gives them back, once
   * @throws ApiError 429, or 400 for more than there are places at all
   */
  enter(places: number): () => void {
    if (places > this.limit) {
      throw invalid(
        "n",
        `n: the request asks for ${places} completions, this server runs at most ${this.limit} at once`,
      );
    }
    if (this.#inFlight + places > this.limit) {
      const seconds = Math.ceil((this.#inFlight * this.#msPerPlace) / 2000); // half of the queue has then gone
      throw new ApiError(
        429,
        "rate_limit_error",
        `${this.#inFlight} completions run or wait, the most this server takes`,
        {
          code: "queue_full",
          retryAfterSeconds: Math.min(mostRetrySeconds, Math.max(1, seconds)),
        },
      );
    }
    this.#inFlight += places;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#inFlight -= places;
      const now = this.#now();
      if (this.#lastFree !== null) {
        this.#msPerPlace += 0.1 * (Math.min(10_000, now - this.#lastFree) / places - this.#msPerPlace);
      }
      this.#lastFree = now;
    };
  }
}
