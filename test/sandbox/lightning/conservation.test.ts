import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addMsat, msat, satsToMsat } from '../../../src/core/money.ts'
import type { PaymentScript } from '../../../src/sandbox/lightning/control.ts'
import type { Network } from '../../../src/sandbox/lightning/network.ts'
import { addHold, hashOf, preimageOf, refusal, send, world } from './world.ts'

type World = ReturnType<typeof world>
type Step = { readonly run: (world: World) => unknown; readonly [fc.toStringMethod]: () => string }

const step = (title: string, run: Step['run']): Step => ({ run, [fc.toStringMethod]: () => title })
/** A step that asks the node's RPC server, so it is left out while there is none. */
const call = (title: string, run: Step['run']): Step =>
  step(title, (around) => (around.network.node.state() === 'ready' ? run(around) : undefined))

const SCRIPTS: readonly (PaymentScript | null)[] = [
  null,
  null,
  { kind: 'fail', reason: 'no-route' },
  { kind: 'fail', reason: 'timeout', tried: false },
  { kind: 'slow', ms: 90_000 },
  { kind: 'zombie' },
  { kind: 'parts', parts: 3 },
  { kind: 'parts', parts: 2, stuck: 1 },
]
const PAY_OPTIONS = [{}, {}, { overpayMsat: msat(777) }, { partialMsat: msat(1_000_000) }]

const holdNumber = fc.nat({ max: 4 })

const addsHold = fc
  .record({ number: holdNumber, expiryS: fc.integer({ min: 60, max: 3_000 }) })
  .map(({ number, expiryS }) =>
    call(`add hold ${number} for ${expiryS} s`, ({ network }) =>
      refusal(() => addHold(network, preimageOf(number + 1), expiryS)),
    ),
  )

const paysHold = fc.tuple(holdNumber, fc.constantFrom(...PAY_OPTIONS)).map(([number, options]) =>
  step(`pay hold ${number} ${JSON.stringify(options)}`, async ({ network, alice }) => {
    const invoice = network.node.invoice(hashOf(preimageOf(number + 1)))
    if (invoice !== null) await alice.startPayment(invoice.request, options)
  }),
)

const endsHold = fc
  .tuple(holdNumber, fc.constantFrom('settle', 'settle', 'cancel'))
  .map(([number, how]) =>
    call(`${how} hold ${number}`, ({ network: { lnd } }) =>
      refusal(() =>
        how === 'settle'
          ? lnd.settleInvoice(preimageOf(number + 1))
          : lnd.cancelInvoice(hashOf(preimageOf(number + 1))),
      ),
    ),
  )

const sends = fc
  .record({
    sats: fc.integer({ min: 1, max: 200_000 }),
    script: fc.constantFrom(...SCRIPTS),
    answer: fc.constantFrom('settle' as const, 'hold' as const, 'fail' as const),
  })
  .map(({ sats, script, answer }) =>
    call(`send ${sats} sats, ${JSON.stringify(script)}, bob will ${answer}`, ({ network, bob }) => {
      bob.onIncoming(answer)
      if (script !== null) network.node.scriptPayment('next', script)
      send(network, bob.invoice({ amountMsat: satsToMsat(sats) }))
    }),
  )

const decides = fc.boolean().map((settles) =>
  step(`bob ${settles ? 'settles' : 'fails'} what he holds`, ({ bob }) => {
    for (const hash of bob.held()) {
      if (settles) bob.settleHeld(hash)
      else bob.failHeld(hash)
    }
  }),
)

const releases = fc.constantFrom('fail' as const, 'arrive' as const).map((outcome) =>
  step(`stuck parts ${outcome}`, ({ network }) => {
    for (const { hash } of network.node.payments()) network.node.releaseStuck(hash, outcome)
  }),
)

const passes = fc.oneof(
  fc.integer({ min: 1, max: 60 }).map((blocks) => step(`${blocks} blocks`, ({ network }) => network.mine(blocks))),
  fc.integer({ min: 1, max: 400_000 }).map((ms) => step(`${ms} ms`, ({ clock }) => clock.advance(ms))),
)

const restarts = fc.constantFrom(
  step('restart', ({ network }) => network.node.restart()),
  step('stop', ({ network }) => network.node.stop('kill')),
  step('start', ({ network: { node } }) => (node.state() === 'stopped' ? node.start() : undefined)),
  step('through JSON', ({ network }) => network.restore(JSON.parse(JSON.stringify(network.snapshot())))),
)

const anyStep = fc.oneof(
  { weight: 3, arbitrary: addsHold },
  { weight: 4, arbitrary: paysHold },
  { weight: 3, arbitrary: endsHold },
  { weight: 3, arbitrary: sends },
  { weight: 1, arbitrary: decides },
  { weight: 1, arbitrary: releases },
  { weight: 2, arbitrary: passes },
  { weight: 2, arbitrary: restarts },
)

test('whatever traders, node and clock do, no millisat appears or vanishes and a decision stands', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      const around = world()
      const { network } = around
      const openingMsat = ownMsat(network)
      const allMsat = sumOf(network)
      const decided = new Map<string, string>()
      for (const each of steps) {
        await each.run(around)
        network.checkConservation()
        expect(sumOf(network)).toBe(allMsat)
        expectDecisionsToStand(network, decided)
      }
      if (network.node.state() === 'stopped') network.node.start()
      expect(ownMsat(network) - openingMsat).toBe(movedByRecords(network))
      network.close()
    }),
    { numRuns: 40 },
  )
})

function expectDecisionsToStand(network: Network, decided: Map<string, string>): void {
  for (const { hash, state } of network.node.invoices()) {
    expect(state).toBe(decided.get(hash) ?? state)
    if (state === 'settled' || state === 'canceled') decided.set(hash, state)
  }
}

function sumOf(network: Network): number {
  const { wallets, nodeMsat, nodePendingOutMsat, walletsPendingOutMsat, hubMsat } = network.totals()
  return addMsat(...Object.values(wallets), nodeMsat, nodePendingOutMsat, walletsPendingOutMsat, hubMsat)
}

/** `W` of money-path.md 5.2. */
function ownMsat(network: Network): number {
  const { nodeMsat, nodePendingOutMsat } = network.totals()
  return nodeMsat + nodePendingOutMsat
}

/** What the node's own records say its balance has changed by: money-path.md 5.2, I-20. */
function movedByRecords(network: Network): number {
  const received = network.node.invoices().filter(({ state }) => state === 'settled')
  const paid = network.node.payments().filter(({ state }) => state === 'succeeded')
  return (
    received.reduce((sum, { receivedMsat }) => sum + receivedMsat, 0) -
    paid.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0)
  )
}
