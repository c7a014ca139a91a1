import { describe, expect, test } from 'vitest'
import { type EventTemplate, ORDER_STATUSES } from '../../src/core/protocol.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { checkEventShape, eventId, verifyEvent } from '../../src/wire/event.ts'
import {
  devFeeEvent,
  disputeEvent,
  infoEvent,
  orderEvent,
  type PublicInfo,
  type PublicOrder,
  profileEvent,
  publicStatus,
  ratesEvent,
  ratingEvent,
  relaysEvent,
} from '../../src/wire/public-events.ts'
import { nodeKey, tradeKey } from '../support/wire-keys.ts'

const now = 1_785_000_000
const node = { pubkey: nodeKey.pubkey, instanceName: ' fianza demo ' }
const relays = ['wss://relay.example.com', 'wss://relay2.example.com']
const reputation = { days: 21, totalRating: 4.5, totalReviews: 7 }

const offer = {
  id: '308e1272-d5f4-47e6-bd97-3504baea9c23',
  kind: 'sell',
  fiatCode: 'VES',
  amountSats: 0,
  fiatAmount: 0,
  paymentMethod: 'face to face,bank transfer',
  premium: 1,
  networks: ['mainnet'],
  expiresAtS: 1_785_086_400,
  retainedUntilS: 1_787_592_000,
  status: 'pending',
  range: { min: 10, max: 20 },
  reputation,
  relays,
} as const satisfies PublicOrder

const { status: _status, range: _range, reputation: _reputation, relays: _relays, ...facts } = offer
const taken: PublicOrder = { ...facts, status: 'in-progress', amountSats: 7851, fiatAmount: 15 }

const info: PublicInfo = {
  version: '0.18.5',
  commitHash: '848ee3b3723110ff0771415bb27980b4353abe0a',
  maxOrderSats: 1_000_000,
  minOrderSats: 100,
  expirationHours: 24,
  expirationSeconds: 900,
  fiatCurrencies: ['USD', 'EUR', 'ARS', 'CUP'],
  maxOrdersPerResponse: 10,
  fee: 0.006,
  pow: 0,
  powFirstContact: 0,
  transport: 2,
  holdInvoiceWindowS: 300,
  invoiceWindowS: 300,
  holdInvoiceCltvDelta: 144,
  lightning: {
    version: '0.18.4-beta commit=v0.18.4-beta',
    pubkey: '0220e4558a8d9af4988ef6c8def0e73b05403819e49b7fb2db79d322ac3be1547e',
    commitHash: 'ddeb8351684a611f6c27f16f09be75d5c039f08c',
    alias: 'alice',
    chains: ['bitcoin'],
    networks: ['mainnet'],
    uris: ['0220e4558a8d9af4988ef6c8def0e73b05403819e49b7fb2db79d322ac3be1547e@203.0.113.1:9735'],
  },
  bonds: {
    amountPct: 0.01,
    baseAmountSats: 1000,
    applyTo: 'take',
    slashOnWaitingTimeout: false,
    slashNodeSharePct: 0.5,
    payoutClaimWindowDays: 15,
  },
}

const profile = {
  name: 'fianza demo',
  about: 'Test node',
  website: 'https://example.com',
  picture: 'https://example.com/a.png',
  software: null,
}

const rates = {
  rates: new Map([
    ['USD', 50_000],
    ['ARS', 105_000_000],
    ['EUR', 45_000.5],
  ]),
  sources: ['yadio', 'coingecko'],
  intervalS: 300,
}

const dispute = {
  id: 'efc75871-2568-40b9-a6ee-c382d4d6de01',
  status: 'initiated',
  initiator: 'seller',
  openedAtS: 1_784_999_997,
  retainedUntilS: 1_792_776_000,
} as const

const devFee = {
  orderId: offer.id,
  amountSats: 8,
  hash: 'ca2f47b7c2169b8c42ef135e8ee32706e1fd3722b65e5a16f21ce675d2affb6b',
  destination: 'pivotaldeborah52@walletofsatoshi.com',
  networks: ['mainnet'],
  retainedUntilS: 1_816_536_000,
}

const rating = {
  ratedTradePubkey: tradeKey.pubkey,
  reputation: { days: 21, totalRating: 3.75, totalReviews: 2 },
  lastRating: 5,
  maxRating: 5,
  minRating: 5,
  retainedUntilS: 1_792_776_000,
}

const tag = (template: EventTemplate, name: string) => template.tags.find(([first]) => first === name)
const without = (template: EventTemplate, name: string): EventTemplate => ({
  ...template,
  tags: template.tags.filter(([first]) => first !== name),
})

/** Ids and signatures of the events that the reference publishes with the same facts. */
describe('An event as the reference publishes it', () => {
  test.each<[string, EventTemplate | null, string, string]>([
    [
      'a pending range order',
      orderEvent(offer, node, now),
      '0184c791c91cdc89976ef52e9c8e9b9b790db76858a176f0f6d5e4bfc09239d3',
      'ff9d63445a040d78634aab698d9e7e05447ff6da6e8493349002f4596c455831a124463b91a78bad13cd0d40b26952f27c88836bb64d7f4b0ed74ca8de48bef3',
    ],
    [
      'a taken order',
      orderEvent(taken, node, now),
      '736f4a15f6a98982b237ce38a237dedf1c25d460ced21218b30bebf8a0ed12be',
      '32cea14e10fd4105904ed13922831533f205905e0bd156199c67ee1627453d09c2bcc6ce0a6f014d7f978850ab74d0fa1419c198f28ec5ea78e54a802b80f8c0',
    ],
    [
      'a rating, but for the y tag that it lacks (DEC-11)',
      without(ratingEvent(rating, node, now), 'y'),
      '944b9ac9315fb8f245c326b6ff9d461f9f26074c253ab92410f7c86a0fdd8d1a',
      '853d98d0971f7a9bc70b4cfafc72059c57864995694de47ee1a40582699e327c22e465d032f79078913be619b8e5eab19db89edea88a403c8d61e53e62035355',
    ],
    [
      'the info event',
      infoEvent(info, node, now),
      '8e62c15c70bd7a587d40549063d6c5a096c338448f82ded8fee80debc933ba0b',
      'dc22cb4f0cf3362ed6e6f991da83ea90c218f7ace39faa200b5be6651e94a8beea631614e5f0bbef4a0aa9a1b15ba69d53adf123948b9d1604531da24a66ce2e',
    ],
    [
      'a dispute',
      disputeEvent(dispute, node, now),
      'd4ab3cf4d9100f32f47632cf79fc3f0a818a63156f531ae06b3daf4ec23715c4',
      '674a493293fbf03607536bb430f53720412b51c2523a1f8a6d52dca5031a9e7106346599a45860c18f816353cc1081a0221330cfbad4ae7d35c3088fd6d03fcd',
    ],
    [
      'the profile',
      profileEvent(profile, now),
      'e57af56ab6c6352820b34aae126eb15889cd98fd7f2b31b08d37b68011406926',
      '2c680a1edd44def805effe3089f62247f7bbd39df3d0ff3e6a3a18145a249c1aa4d8727db4409d3404fd266b815b83220479e0fa8e7e1511e850247331d381da',
    ],
    [
      'the relays',
      relaysEvent(relays, now),
      '073b0c4c04612e1dc3f4cf749fec3c29f29973ac3157d605b2b07c8ff91e9e90',
      'f4a0b648c6099a48f86e511e73839bf832006f2d83a072e8c1946d5d76f018e52066c33673b8f7f6559c85b34badef8ba085589c0d6661c14fd1e69f796ec4b3',
    ],
    [
      'exchange rates',
      ratesEvent(rates, now),
      '4e9c6360c99d77768e8f210a80fd2ea918aab66ea58162e3e8743533e0c385da',
      '332e5a17357fcabd8aa595c1756e958e6c782b83292c32102c5af467fe888fa9e527d629752b9e7b41306fd485d77e79aedbcf4c867af206446a9c0819b43f96',
    ],
    [
      'a paid development fee',
      devFeeEvent(devFee, node, now),
      '05cc1748ad5812b229c90fc8ba06a5860be964989f2a299b30ba867e8a2c7ca9',
      '4f4b13b86d1a71ccf7441ef415c24ee85a8bb76c53592f8d1b200a7523c66b6ff1e96b8a420e5c45a88770dae9a5f3f7f676652d326ad2b8ff72de429369e8e8',
    ],
  ])('has the same id and signature: %s', (_what, template, id, sig) => {
    if (template === null) throw new Error('nothing to publish')
    expect(eventId(template, nodeKey.pubkey)).toBe(id)
    expect(verifyEvent({ ...template, id, pubkey: nodeKey.pubkey, sig }, portableCurves)).toBe(true)
    expect(checkEventShape({ ...template, id, pubkey: nodeKey.pubkey, sig }).ok).toBe(true)
  })
})

describe('An order on the book', () => {
  test('shows one amount when it is no range', () => {
    expect(tag(orderEvent({ ...offer, range: null, fiatAmount: 100 }, node, now), 'fa')).toEqual(['fa', '100'])
  })

  test('has its payment methods as written, without empty ones', () => {
    const event = orderEvent({ ...offer, paymentMethod: 'SEPA,, cash ,' }, node, now)
    expect(tag(event, 'pm')).toEqual(['pm', 'SEPA', ' cash '])
  })

  test('is kept for the usual time when it never expires', () => {
    const event = orderEvent({ ...offer, expiresAtS: 0 }, node, now)
    expect(tag(event, 'expiration')).toEqual(['expiration', String(offer.retainedUntilS)])
  })

  test('shows a new maker with a rating of 0.0, and an unknown network', () => {
    const unknown = { days: 0, totalRating: 0, totalReviews: 0 }
    const event = orderEvent({ ...offer, reputation: unknown, networks: [] }, node, now)
    expect(tag(event, 'rating')?.[1]).toBe('["rating",{"days":0,"total_rating":0.0,"total_reviews":0}]')
    expect(tag(event, 'network')).toEqual(['network', 'unknown'])
  })

  test('hides its maker once it is taken', () => {
    const event = orderEvent(taken, node, now)
    expect(tag(event, 'rating')).toBeUndefined()
    expect(tag(event, 'source')).toBeUndefined()
  })

  test('has no amount that is not a whole number', () => {
    expect(() => orderEvent({ ...taken, fiatAmount: 1.5 }, node, now)).toThrow('whole number')
    expect(() => orderEvent({ ...taken, amountSats: 1e21 }, node, now)).toThrow('whole number')
  })

  test('shows each status in the bucket of the book', () => {
    expect(Object.fromEntries(ORDER_STATUSES.map((status) => [status, publicStatus(status)]))).toEqual({
      active: 'in-progress',
      canceled: 'canceled',
      'canceled-by-admin': 'canceled',
      'settled-by-admin': 'in-progress',
      'completed-by-admin': 'completed-by-admin',
      dispute: 'in-progress',
      expired: 'canceled',
      'fiat-sent': 'in-progress',
      'settled-hold-invoice': 'in-progress',
      pending: 'pending',
      success: 'success',
      'waiting-buyer-invoice': 'in-progress',
      'waiting-payment': 'in-progress',
      'cooperatively-canceled': 'canceled',
      'in-progress': 'in-progress',
      'waiting-taker-bond': 'pending',
      'waiting-maker-bond': null,
    })
  })
})

describe('What clients learn about the node', () => {
  test.each([null, '', '  '])('has no empty instance name: %j', (instanceName) => {
    expect(tag(orderEvent(offer, { ...node, instanceName }, now), 'y')).toEqual(['y', 'mostro'])
  })

  test('says that there are no bonds, and nothing more about them', () => {
    const bonds = infoEvent({ ...info, bonds: null }, node, now).tags.filter(([name]) => name?.startsWith('bond'))
    expect(bonds).toEqual([['bond_enabled', 'false']])
  })

  test('says nothing about Lightning before it was reached, and still advertises the transport', () => {
    const event = infoEvent({ ...info, lightning: null }, node, now)
    expect(event.tags.filter(([name]) => name?.startsWith('lnd'))).toEqual([])
    expect(tag(event, 'protocol_version')).toEqual(['protocol_version', '2'])
  })

  test.each([
    [0, '0'],
    [0.006, '0.006'],
    [0.0000001, '0.0000001'],
    [1, '1'],
  ])('shows the fee %d as %s', (fee, text) => {
    expect(tag(infoEvent({ ...info, fee }, node, now), 'fee')).toEqual(['fee', text])
  })

  test('names the software in the profile', () => {
    const content = profileEvent({ ...profile, software: 'fianza/0.1.0' }, now)?.content
    expect(JSON.parse(content ?? '')).toMatchObject({ name: 'fianza demo', software: 'fianza/0.1.0' })
  })

  test('leaves out a website that is none', () => {
    const content = profileEvent({ ...profile, website: 'example', picture: null }, now)?.content
    expect(content).toBe('{"name":"fianza demo","about":"Test node"}')
  })

  test('is no profile when the operator configured none', () => {
    const nothing = { name: null, about: null, website: null, picture: null, software: 'fianza/0.1.0' }
    expect(profileEvent(nothing, now)).toBeNull()
  })

  test('lets rates expire within an hour', () => {
    expect(tag(ratesEvent({ ...rates, intervalS: 86_400 }, now), 'expiration')).toEqual([
      'expiration',
      String(now + 3600),
    ])
  })

  test('shows a rating with the tags that the protocol promises', () => {
    const event = ratingEvent(rating, node, now)
    expect(tag(event, 'y')).toEqual(['y', 'mostro', 'fianza demo'])
    expect(tag(event, 'z')).toEqual(['z', 'rating'])
    expect(tag(event, 'd')).toEqual(['d', tradeKey.pubkey])
  })
})
