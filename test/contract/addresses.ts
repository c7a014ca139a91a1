import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { Addresses } from '../../src/ports/addresses.ts'
import type { ServiceFault, ServiceOptions } from '../../src/sandbox/lnurl/pay-document.ts'

/** One implementation of {@link Addresses}, in front of one service that answers. */
export type AddressesSubject = {
  readonly addresses: Addresses
  addressOf(user: string): string
  lnurlOf(user: string): string
  close(): Promise<void>
}

const AMOUNT = satsToMsat(1000)

/** What every implementation of the port does, whoever answers behind it. */
export function describeAddresses(name: string, open: (service: ServiceOptions) => Promise<AddressesSubject>): void {
  describe(`addresses, ${name}`, () => {
    let subject: AddressesSubject
    let fault: ServiceFault | null
    let asked: { readonly user: string; readonly amountMsat: number; readonly descriptionHash: string }[]

    beforeEach(async () => {
      fault = null
      asked = []
      subject = await open({
        invoiceFor: (user, amountMsat, descriptionHash) => {
          asked.push({ user, amountMsat, descriptionHash })
          return `lnbc-${user}-${asked.length}`
        },
        knows: (user) => user !== 'nobody',
        minSendableMsat: 10_000,
        maxSendableMsat: 5_000_000,
        commentAllowed: 20,
        faultOf: () => fault,
      })
    })

    afterEach(() => subject.close())

    it.each(['alice', 'alice+tag', 'Alice', 'a.l-i_ce'])(
      'give an invoice of %s over exactly the amount',
      async (user) => {
        const answer = await subject.addresses.invoice(subject.addressOf(user), AMOUNT, null)
        const { descriptionHash = '' } = asked[0] ?? {}
        expect(answer).toEqual({ ok: true, value: { request: `lnbc-${user.toLowerCase()}-1`, descriptionHash } })
        expect(asked).toEqual([{ user: user.toLowerCase(), amountMsat: AMOUNT, descriptionHash }])
        expect(descriptionHash).toMatch(/^[0-9a-f]{64}$/)
      },
    )

    it('take a lnurl, in either case and with its scheme, as well as an address', async () => {
      const lnurl = subject.lnurlOf('alice')
      for (const text of [lnurl, lnurl.toUpperCase(), `lightning:${lnurl}`]) {
        expect(subject.addresses.looksLikeAddress(text)).toBe(true)
        expect(await subject.addresses.probe(text, AMOUNT)).toEqual({ ok: true, value: undefined })
        expect(await subject.addresses.invoice(text, AMOUNT, 'hello')).toMatchObject({ ok: true })
      }
    })

    it('give a fresh invoice every time', async () => {
      const address = subject.addressOf('alice')
      const first = await subject.addresses.invoice(address, AMOUNT, null)
      const second = await subject.addresses.invoice(address, AMOUNT, null)
      expect(first).not.toEqual(second)
    })

    it('probe without an invoice', async () => {
      expect(await subject.addresses.probe(subject.addressOf('alice'), null)).toEqual({ ok: true, value: undefined })
      expect(asked).toEqual([])
    })

    it.each([
      [10, true],
      [5000, true],
      [9, false],
      [5001, false],
    ])('hold %i sats against the limits of the service', async (sats, isWithin) => {
      const address = subject.addressOf('alice')
      const kind = isWithin ? { ok: true } : { ok: false, error: { kind: 'refused' } }
      expect(await subject.addresses.probe(address, satsToMsat(sats))).toMatchObject(kind)
      expect(await subject.addresses.invoice(address, satsToMsat(sats), null)).toMatchObject(kind)
      expect(asked).toHaveLength(isWithin ? 1 : 0)
    })

    it('shorten a comment to what the service takes', async () => {
      const answer = await subject.addresses.invoice(subject.addressOf('alice'), AMOUNT, 'x'.repeat(500))
      expect(answer).toMatchObject({ ok: true })
    })

    it('refuse a user that the service does not know', async () => {
      const failure = { ok: false, error: { kind: 'refused' } }
      expect(await subject.addresses.probe(subject.addressOf('nobody'), null)).toMatchObject(failure)
      expect(await subject.addresses.invoice(subject.addressOf('nobody'), AMOUNT, null)).toMatchObject(failure)
    })

    it.each<[ServiceFault, string]>([
      ['refuses', 'refused'],
      ['down', 'unavailable'],
      ['silent', 'unavailable'],
      ['garbage', 'unavailable'],
      ['redirects', 'forbidden'],
      ['floods', 'forbidden'],
    ])('call a service that %s %s', async (misbehaviour, kind) => {
      fault = misbehaviour
      expect(await subject.addresses.invoice(subject.addressOf('alice'), AMOUNT, null)).toMatchObject({
        ok: false,
        error: { kind },
      })
      expect(asked).toEqual([])
    })

    it.each([
      ['', false],
      ['alice', false],
      ['@wallet.test', false],
      ['alice@', false],
      ['alice@wallet.test/../x', false],
      ['alice@bob@wallet.test', false],
      ['al ice@wallet.test', false],
      ['..@wallet.test', false],
      ['lnbc10u1p0', false],
      ['https://wallet.test/pay', false],
      ['lnurl1', true],
      ['lnurl1qqqqqq', true],
    ])('call %j malformed', async (text, looksLike) => {
      expect(subject.addresses.looksLikeAddress(text)).toBe(looksLike)
      const failure = { ok: false, error: { kind: 'malformed' } }
      expect(await subject.addresses.probe(text, null)).toMatchObject(failure)
      expect(await subject.addresses.invoice(text, AMOUNT, null)).toMatchObject(failure)
    })
  })
}
