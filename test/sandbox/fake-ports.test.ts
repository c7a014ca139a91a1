import { describe, expect, it } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { Clock } from '../../src/ports/system.ts'
import { FakeAddresses } from '../../src/sandbox/fake-ports/fake-addresses.ts'
import { FakePriceProvider } from '../../src/sandbox/fake-ports/fake-price-provider.ts'
import type { ServiceFault } from '../../src/sandbox/lnurl/pay-document.ts'

/** Time that a test moves by hand. */
class ManualClock implements Clock {
  #nowMs = 0
  readonly #due: { readonly atMs: number; readonly task: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, task }
    this.#due.push(entry)
    return () => {
      const index = this.#due.indexOf(entry)
      if (index >= 0) this.#due.splice(index, 1)
    }
  }

  /** Runs what falls due until nothing is left, letting promises settle in between; returns the time it took. */
  async runOut(): Promise<number> {
    const startedAtMs = this.#nowMs
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = this.#due.sort((a, b) => a.atMs - b.atMs).shift()
      if (next === undefined) return this.#nowMs - startedAtMs
      this.#nowMs = next.atMs
      next.task()
    }
  }
}

describe('a simulated price source', () => {
  it('says what it is told to say, after its latency', async () => {
    const clock = new ManualClock()
    const quotes = new Map([['USD', 50_000]])
    const provider = new FakePriceProvider({ id: 'yadio', clock, quotes: () => quotes, latencyMs: () => 700 })
    const poll = provider.fetch()
    expect(await clock.runOut()).toBe(700)
    expect(await poll).toEqual({ ok: true, value: { quotes, observedAtS: null } })
    expect(provider.lastResort).toBe(false)
  })

  it('fails when told to fail, and recovers', async () => {
    const clock = new ManualClock()
    let fault: string | null = 'status 500'
    const provider = new FakePriceProvider({
      id: 'nostr',
      lastResort: true,
      clock,
      quotes: () => new Map([['USD', 1]]),
      observedAtS: () => 77,
      fault: () => fault,
    })
    const failed = provider.fetch()
    await clock.runOut()
    expect(await failed).toEqual({ ok: false, error: 'status 500' })
    fault = null
    const recovered = provider.fetch()
    await clock.runOut()
    expect(await recovered).toMatchObject({ ok: true, value: { observedAtS: 77 } })
  })
})

describe('a simulated Lightning address service', () => {
  it.each<[string, ServiceFault | null, number]>([
    ['its latency twice for an invoice', null, 200],
    ['as long as the real adapter waits when it is silent', 'silent', 4000],
  ])('takes %s', async (_, fault, expectedMs) => {
    const clock = new ManualClock()
    const addresses = new FakeAddresses({
      clock,
      host: 'wallet.test',
      invoiceFor: () => 'lnbc1',
      latencyMs: () => 100,
      faultOf: () => fault,
    })
    const answer = addresses.invoice('alice@wallet.test', satsToMsat(10))
    expect(await clock.runOut()).toBe(expectedMs)
    expect((await answer).ok).toBe(fault === null)
  })

  it('does not answer for other hosts', async () => {
    const clock = new ManualClock()
    const addresses = new FakeAddresses({ clock, host: 'wallet.test', invoiceFor: () => 'lnbc1' })
    const answer = addresses.probe('alice@elsewhere.test', null)
    await clock.runOut()
    expect(await answer).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
  })
})
