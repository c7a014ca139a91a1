import { readFileSync } from 'node:fs'
import { bech32 } from '@scure/base'
import fc from 'fast-check'
import { parsePaymentRequest } from 'invoices'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { msat } from '../../src/core/money.ts'
import { encodeBolt11, LND_INVOICE_FEATURES } from '../../src/sandbox/lightning/bolt11.ts'
import { decodeBolt11, readBolt11 } from '../../src/wire/bolt11.ts'
import {
  dataWords,
  FIELD,
  featureWords,
  hexWords,
  nodeId,
  numberWords,
  type RawField,
  textWords,
  writeInvoice,
} from '../support/bolt11.ts'
import { nodeKey } from '../support/wire-keys.ts'

/** The examples of BOLT 11. */
const examples = z
  .object({
    valid: z.array(
      z.object({
        what: z.string(),
        request: z.string(),
        network: z.string(),
        amountMsat: z.number().nullable(),
        hash: z.string(),
        createdAtS: z.number(),
        expiryS: z.number(),
        minFinalCltv: z.number(),
        descriptionHash: z.string().nullable(),
        payee: z.string(),
      }),
    ),
    invalid: z.array(z.object({ what: z.string(), request: z.string() })),
    unknownFeature: z.object({ request: z.string(), bits: z.array(z.number()) }),
    noSecret: z.object({ request: z.string() }),
  })
  .parse(JSON.parse(readFileSync(new URL('fixtures/bolt11.json', import.meta.url), 'utf8')))

function decoded(request: string) {
  const invoice = decodeBolt11(request)
  if (!invoice.ok) throw new Error(invoice.error)
  return invoice.value
}

describe('The examples of BOLT 11', () => {
  test.each(examples.valid)('are read: $what', ({ what: _what, request, expiryS, ...facts }) => {
    expect(decoded(request)).toEqual({
      ...facts,
      expiresAtS: facts.createdAtS + expiryS,
      hasPaymentSecret: true,
      isAmp: false,
      unknownRequiredFeatures: [],
    })
  })

  test.each(examples.invalid)('are refused: $what', ({ request }) => {
    expect(decodeBolt11(request).ok).toBe(false)
  })

  test('are read with a required feature that nobody knows, which is named', () => {
    const { request, bits } = examples.unknownFeature
    expect(decoded(request).unknownRequiredFeatures).toEqual(bits)
  })

  test('are read without a payment secret, which is told', () => {
    expect(decoded(examples.noSecret.request).hasPaymentSecret).toBe(false)
  })
})

const secretKey = nodeKey.secretKey
const payee = nodeId(secretKey)
const hash = '0011223344556677889900112233445566778899001122334455667788990011'
const createdAtS = 1_785_000_000

const fields = {
  hash: [FIELD.hash, hexWords(hash)],
  secret: [FIELD.secret, hexWords(hash)],
  description: [FIELD.description, textWords('a trade')],
  features: [FIELD.features, featureWords(LND_INVOICE_FEATURES)],
} as const satisfies Record<string, RawField>
const usual: readonly RawField[] = Object.values(fields)

const invoiceWith = (prefix: string, ...more: readonly RawField[]) =>
  writeInvoice({ prefix, createdAtS, fields: [...usual, ...more] }, secretKey)

describe('An invoice', () => {
  test('of a node is read as the node wrote it, and as another reader reads it', () => {
    const plans = fc.record({
      network: fc.constantFrom('bcrt', 'tb', 'bc'),
      amountMsat: fc.option(fc.integer({ min: 1, max: 100_000_000_000 }).map(msat), { nil: null }),
      createdAtS: fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }),
      expiryS: fc.integer({ min: 1, max: 31_536_000 }),
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      secret: fc.constant(hash),
      finalCltv: fc.integer({ min: 1, max: 2_016 }),
      memo: fc.string({ unit: 'grapheme', maxLength: 20 }),
      descriptionHash: fc.constantFrom(null, hash),
      features: fc.constant(LND_INVOICE_FEATURES),
    })
    fc.assert(
      fc.property(plans, (plan) => {
        const request = encodeBolt11(plan, secretKey)
        const invoice = decoded(request)
        expect(invoice).toEqual({
          network: { bcrt: 'regtest', tb: 'testnet', bc: 'mainnet' }[plan.network],
          hash: plan.hash,
          amountMsat: plan.amountMsat,
          payee,
          createdAtS: plan.createdAtS,
          expiresAtS: plan.createdAtS + plan.expiryS,
          minFinalCltv: plan.finalCltv,
          hasPaymentSecret: true,
          descriptionHash: plan.descriptionHash,
          isAmp: false,
          unknownRequiredFeatures: [],
        })
        const elsewhere = parsePaymentRequest({ request })
        expect(elsewhere.id).toBe(invoice.hash)
        expect(Number(elsewhere.mtokens)).toBe(invoice.amountMsat ?? 0)
        expect(elsewhere.cltv_delta).toBe(invoice.minFinalCltv)
      }),
      { numRuns: 1_000 },
    )
  }, 60_000)

  test.each([
    ['lnbc1', 100_000_000_000],
    ['lnbc90000', 9_000_000_000_000_000],
    ['lntbs20m', 2_000_000_000],
    ['lnbcrt1u', 100_000],
    ['lnsb1n', 100],
    ['lntb10p', 1],
    ['lntb', null],
  ])('over %s asks for %s msat', (prefix, amountMsat) => {
    expect(decoded(invoiceWith(prefix)).amountMsat).toBe(amountMsat)
  })

  test.each([
    ['no amount but a multiplier', 'lnbcm'],
    ['zero', 'lnbc0'],
    ['zero of a unit', 'lnbc0m'],
    ['a leading zero', 'lnbc01m'],
    ['a tenth of a msat', 'lnbc1p'],
    ['more than there is', 'lnbc99999999'],
    ['an absurd number', 'lnbc99999999999999999999999999'],
    ['a minus', 'lnbc-1m'],
    ['another chain', 'lnltc1m'],
    ['no chain', 'ln1m'],
    ['another protocol', 'bc'],
  ])('over %s is refused', (_what, prefix) => {
    expect(decodeBolt11(invoiceWith(prefix)).ok).toBe(false)
  })

  test('names the payee that signed it, or is refused', () => {
    const named: RawField = [FIELD.payee, hexWords(payee)]
    const other: RawField = [FIELD.payee, hexWords(nodeId(new Uint8Array(32).fill(7)))]
    const none: RawField = [FIELD.payee, hexWords(`05${'0'.repeat(64)}`)]
    expect(decoded(invoiceWith('lnbc1m', named)).payee).toBe(payee)
    expect(decodeBolt11(invoiceWith('lnbc1m', other)).ok).toBe(false)
    expect(decodeBolt11(invoiceWith('lnbc1m', none)).ok).toBe(false)
  })

  test.each<[string, readonly number[], boolean, readonly number[]]>([
    ['the usual', [8, 14, 17], false, []],
    ['required AMP', [8, 14, 30], true, []],
    ['optional AMP', [8, 14, 31], true, []],
    ['metadata', [8, 14, 48], false, []],
    ['an unknown optional one', [8, 14, 99], false, []],
    ['unknown required ones', [8, 14, 24, 5000], false, [24, 5000]],
  ])('offers %s', (_what, bits, isAmp, unknownRequiredFeatures) => {
    const features: RawField = [FIELD.features, featureWords(bits)]
    const request = writeInvoice(
      { prefix: 'lnbc1m', createdAtS, fields: [fields.hash, fields.secret, fields.description, features] },
      secretKey,
    )
    expect(decoded(request)).toMatchObject({ isAmp, unknownRequiredFeatures })
  })

  test.each<[string, readonly number[]]>([
    ['a payment secret without the onion', [14]],
    ['several parts without a payment secret', [8, 17]],
    ['AMP without a payment secret', [8, 30]],
  ])('that offers %s is refused', (_what, bits) => {
    const features: RawField = [FIELD.features, featureWords(bits)]
    const all = [fields.hash, fields.secret, fields.description, features]
    expect(decodeBolt11(writeInvoice({ prefix: 'lnbc1m', createdAtS, fields: all }, secretKey)).ok).toBe(false)
  })

  test.each<[string, readonly RawField[]]>([
    ['another payment hash', [fields.hash]],
    ['another payment secret', [fields.secret]],
    ['another description', [fields.description]],
    ['other features', [fields.features]],
    ['both a description and its hash', [[FIELD.descriptionHash, hexWords(hash)]]],
    [
      'two expiries',
      [
        [FIELD.expiry, [1]],
        [FIELD.expiry, [1]],
      ],
    ],
    ['an expiry beyond all durations', [[FIELD.expiry, numberWords(9_000_000_001)]]],
    ['an expiry that no double holds', [[FIELD.expiry, new Array(12).fill(31)]]],
    ['an expiry of very many digits', [[FIELD.expiry, new Array(1023).fill(31)]]],
    ['a final CLTV that no double holds', [[FIELD.minFinalCltv, new Array(13).fill(31)]]],
    ['a route that is cut off', [[FIELD.route, hexWords('02'.repeat(50))]]],
    ['a route over a node off the curve', [[FIELD.route, hexWords(`02${'f'.repeat(64)}${'00'.repeat(18)}`)]]],
    ['a route over no node', [[FIELD.route, hexWords('05'.repeat(51))]]],
    ['an empty fallback address', [[FIELD.fallback, []]]],
    ['a fallback address of a wrong length', [[FIELD.fallback, [0, ...hexWords('00'.repeat(21))]]]],
    ['metadata that is not whole bytes', [[FIELD.metadata, [1]]]],
    ['a payee with bits that nobody reads', [[FIELD.payee, [...hexWords(payee).slice(0, -1), 31]]]],
  ])('with %s is refused', (_what, more) => {
    expect(decodeBolt11(invoiceWith('lnbc1m', ...more)).ok).toBe(false)
  })

  test('skips what LND skips', () => {
    const skipped: readonly RawField[] = [
      [2, [1, 2, 3]],
      [FIELD.hash, new Array(51).fill(0)],
      [FIELD.secret, new Array(53).fill(0)],
      [FIELD.fallback, [19, 1, 2, 3]],
    ]
    expect(decoded(invoiceWith('lnbc1m', ...skipped))).toMatchObject({ hash, hasPaymentSecret: true })
  })

  test.each<[string, readonly RawField[]]>([
    ['payment hash', [fields.secret, fields.description, fields.features]],
    ['description', [fields.hash, fields.secret, fields.features]],
  ])('without a %s is refused', (_what, all) => {
    expect(decodeBolt11(writeInvoice({ prefix: 'lnbc1m', createdAtS, fields: all }, secretKey)).ok).toBe(false)
  })

  test('that ends within a field is refused', () => {
    const whole = dataWords({ prefix: 'lnbc1m', createdAtS, fields: usual })
    for (let length = 0; length < whole.length; length++) {
      const words = [...whole.slice(0, length), ...new Array(104).fill(0)]
      const boundary = readBolt11(bech32.encode('lnbc1m', words, false))
      if (boundary.ok) expect(length).toBeGreaterThan(120)
    }
  })

  test('does not stand when it is lengthened, shortened or prefixed', () => {
    const request = invoiceWith('lnbc1m')
    expect(decoded(request.toUpperCase())).toEqual(decoded(request))
    for (const text of [
      '',
      'lnbc',
      `lightning:${request}`,
      ` ${request}`,
      `${request}q`,
      request.slice(0, -1),
      'q'.repeat(8_000),
    ]) {
      expect(decodeBolt11(text).ok).toBe(false)
    }
  })

  test('is never believed with a word changed under a right checksum', () => {
    const { words, prefix } = bech32.decode(invoiceWith('lnbc1m') as `${string}1${string}`, false)
    const genuine = decoded(bech32.encode(prefix, words, false))
    fc.assert(
      fc.property(fc.nat({ max: words.length - 1 }), fc.integer({ min: 1, max: 31 }), (at, change) => {
        const changed = words.map((word, index) => (index === at ? word ^ change : word))
        const invoice = decodeBolt11(bech32.encode(prefix, changed, false))
        if (invoice.ok) expect(invoice.value.payee).not.toBe(genuine.payee)
      }),
      { numRuns: 1_000 },
    )
  }, 60_000)

  test('is read or refused without a throw, whatever it is', () => {
    const words = fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 90, maxLength: 300 })
    const prefix = fc.constantFrom('lnbc', 'lnbc1m', 'lntbs25p', 'lnbcrt9')
    const wellFormed = fc.tuple(prefix, words).map(([start, data]) => bech32.encode(start, data, false))
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), wellFormed), (text) => {
        expect(readBolt11(text).ok && decodeBolt11(text).ok).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})
