import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { msat } from '../../../src/core/money.ts'
import { decodeBolt11, encodeBolt11, publicKeyHex } from '../../../src/sandbox/lightning/bolt11.ts'
import { portably, signRecoverable } from '../../../src/sandbox/lightning/recoverable.ts'

type Parsed = {
  readonly id: string
  readonly payment: string
  readonly destination: string
  readonly network: string
  readonly mtokens?: string
  readonly cltv_delta: number
  readonly description?: string
  readonly description_hash?: string
  readonly created_at: string
  readonly expires_at: string
  readonly features: readonly { readonly bit: number }[]
}
const { parsePaymentRequest } = createRequire(import.meta.url)('invoices') as {
  readonly parsePaymentRequest: (args: { readonly request: string }) => Parsed
}

const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const secretKey = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => bytes.map((byte, at) => (at === 0 ? byte & 0x7f : at === 31 ? byte | 1 : byte)))

const plan = fc.record({
  network: fc.constantFrom('bcrt' as const, 'tb' as const, 'bc' as const),
  amountMsat: fc.option(
    fc.integer({ min: 1, max: 100_000_000_000 }).map((value) => msat(value)),
    { nil: null },
  ),
  createdAtS: fc.integer({ min: 1_600_000_000, max: 2_000_000_000 }),
  expiryS: fc.integer({ min: 1, max: 31_536_000 }),
  hash: hex32,
  secret: hex32,
  finalCltv: fc.integer({ min: 1, max: 2_016 }),
  memo: fc.string({ maxLength: 60, unit: 'grapheme' }),
  descriptionHash: fc.option(hex32, { nil: null }),
  features: fc.constantFrom([8, 14, 17], [8, 14], [8, 14, 17, 48]),
})

test('every invoice reads back as it was written, here and in the library that the daemon reads with', () => {
  fc.assert(
    fc.property(plan, secretKey, (written, key) => {
      const request = encodeBolt11(written, key)
      const memo = written.descriptionHash === null ? written.memo : ''
      expect(decodeBolt11(request)).toEqual({ ...written, memo, payee: publicKeyHex(key) })
      expect(decodeBolt11(request.toUpperCase())).toEqual(decodeBolt11(request))

      const parsed = parsePaymentRequest({ request })
      expect(parsed).toMatchObject({
        id: written.hash,
        payment: written.secret,
        destination: publicKeyHex(key),
        network: { bcrt: 'regtest', tb: 'testnet', bc: 'bitcoin' }[written.network],
        cltv_delta: written.finalCltv,
      })
      expect(parsed.mtokens).toBe(String(written.amountMsat ?? 0))
      expect(Date.parse(parsed.created_at)).toBe(written.createdAtS * 1000)
      expect(Date.parse(parsed.expires_at)).toBe((written.createdAtS + written.expiryS) * 1000)
      expect(parsed.features.map(({ bit }) => bit).sort((a, b) => a - b)).toEqual(written.features)
    }),
    { numRuns: 40 },
  )
})

test.each(['', 'lnbcrt', 'lnbcrt1qqqq', 'not an invoice', 'npub1xyz'])('%j is no invoice', (text) => {
  expect(decodeBolt11(text)).toBeNull()
})

test('a simulated node signs the same bytes whether or not native curves are there', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), secretKey, (digest, key) => {
      expect(Buffer.from(signRecoverable(digest, key))).toEqual(Buffer.from(portably(digest, key)))
    }),
    { numRuns: 20 },
  )
})
