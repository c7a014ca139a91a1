import type { NostrEvent } from '../core/protocol.ts'

const INTEGER = /^-?[0-9]{1,15}$/

/** The tags of a public event by name; of a repeated name the first counts. */
export class Tags {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor({ tags }: NostrEvent) {
    const values = new Map<string, readonly string[]>()
    for (const [name, ...rest] of tags) {
      if (name !== undefined && !values.has(name)) values.set(name, rest)
    }
    this.#values = values
  }

  /** All values of the tag; none when it is missing. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /** The first value. */
  text(name: string): string | null {
    return this.all(name)[0] ?? null
  }

  /** The first value as a whole number. */
  integer(name: string): number | null {
    const text = this.text(name)
    return text !== null && INTEGER.test(text) ? Number(text) : null
  }

  /** The first value as a number. */
  decimal(name: string): number | null {
    const text = this.text(name)
    const number = text === null || text.trim() === '' ? Number.NaN : Number(text)
    return Number.isFinite(number) ? number : null
  }
}
