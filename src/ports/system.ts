/** Time, chance and words to the operator, as parameters: the simulation owns all three. */

export interface Clock {
  /** Milliseconds since 1970. May jump backwards when the host's clock is set. */
  nowMs(): number
  /** Runs `task` once after `delayMs`; the returned function forgets it. Never runs it synchronously. */
  after(delayMs: number, task: () => void): () => void
}

/** A clock that can be caught when it is set. */
export interface SteadyClock extends Clock {
  /** Milliseconds since some moment. Never set, never back; may stand still while the host sleeps. */
  monotonicMs(): number
}

export interface Random {
  /** `n` bytes that nobody can guess (in a simulation: that the seed decides). */
  bytes(n: number): Uint8Array
}

/** One line a business event; `fields` never hold secrets, preimages or whole messages. */
export interface Log {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void
  info(event: string, fields?: Readonly<Record<string, unknown>>): void
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void
  error(event: string, fields?: Readonly<Record<string, unknown>>): void
}
