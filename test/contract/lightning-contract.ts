import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Msat, msat } from '../../src/core/money.ts'
import type {
  HoldFact,
  HoldPlan,
  Lightning,
  LightningConnection,
  Lookup,
  PaymentFailure,
  PayPlan,
} from '../../src/ports/lightning.ts'
import { decodeBolt11 } from '../../src/sandbox/lightning/bolt11.ts'
import type { Fault, SimNetwork, SimWallet } from '../../src/sandbox/lightning/control.ts'

/** An invoice of the trader's, for the node to pay. */
export type TraderInvoice = { readonly request: string; readonly hash: string }

/** A payment of the trader's to a hold of the node. */
export type TraderPayment = {
  /** its HTLCs are on their way to the node */
  readonly held: boolean
  /** settled or given back */
  readonly end: Promise<{ readonly ok: boolean }>
}

/** One node behind the port, a trader with a channel to it, and a way to let time pass. */
export type LightningWorld = {
  readonly lightning: Lightning
  nowMs(): number
  /** Lets time pass until the work is done; throws when it takes too long. */
  finish<T>(work: Promise<T>, what: string): Promise<T>
  /** Lets time pass until it holds; throws when it takes too long. */
  until(holds: () => boolean | Promise<boolean>, what: string): Promise<void>
  payHold(request: string): Promise<TraderPayment>
  invoice(options: { readonly amountMsat: Msat | null }): Promise<TraderInvoice>
  /** An invoice whose HTLCs the trader keeps until `release`. */
  heldInvoice(amountMsat: Msat): Promise<TraderInvoice & { release(outcome: 'settle' | 'fail'): Promise<void> }>
  close(): Promise<void>
}

/** What only a simulated world can do: see everything, move the clock, break what it wants. */
export type SimulatedWorld = LightningWorld & {
  readonly network: SimNetwork
  readonly trader: SimWallet
  pass(ms: number): Promise<void>
}

const AMOUNT_MSAT = msat(100_000)
const DELTA = 144
const LIFE_S = 900

/** The port's contract on any node, real or simulated. The suite shares one world; hashes keep its rows apart. */
export function lightningContract(name: string, makeWorld: () => Promise<LightningWorld>, rowMs = 20_000): void {
  describe(name, { timeout: rowMs }, () => {
    const { world, connection, finish, newHold, heldHold, allHolds, planFor } = fixture(makeWorld)

    describe('the node', () => {
      it('says who it is and how high the chain is', async () => {
        const info = known(await finish(connection().nodeInfo()))
        expect(info.pubkey).toMatch(/^0[23][0-9a-f]{64}$/)
        const heights: number[] = []
        const watch = connection().watchBlocks((height) => heights.push(height))
        await world().until(() => heights.length > 0, 'the tip')
        watch.close()
        watch.close()
        expect(heights[0]).toBeGreaterThanOrEqual(info.blockHeight)
      })
    })

    describe('creating a hold', () => {
      it('makes an invoice as planned', async () => {
        const { plan, fact } = await newHold()
        expect(fact).toMatchObject({
          hash: plan.hash,
          state: 'open',
          amountMsat: plan.amountMsat,
          receivedMsat: 0,
          cltvDelta: DELTA,
          memo: plan.memo,
          minHtlcHeight: null,
          settleIndex: null,
        })
        expect(fact.request).toMatch(/^ln/)
        expect(Math.abs(fact.expiresAt - plan.expiresAt)).toBeLessThan(30)
        expect(known(await finish(connection().lookupHold(plan.hash)))).toEqual(fact)
      })

      it('adopts the same hold when it is asked again, also twice at once', async () => {
        const { plan, fact } = await newHold()
        const again = [connection().createHold(plan), connection().createHold(plan)]
        for (const outcome of await finish(Promise.all(again))) expect(outcome).toEqual({ class: 'A', fact })
      })

      it('never makes two invoices when a fresh plan is sent twice at once', async () => {
        const { plan } = newPlan(world().nowMs())
        const [one, other] = await finish(Promise.all([connection().createHold(plan), connection().createHold(plan)]))
        expect(one).toMatchObject({ class: 'A' })
        expect(other).toEqual(one)
      })

      it.each([
        ['another amount', { amountMsat: msat(101_000) }],
        ['another memo', { memo: 'another trade' }],
        ['another delta', { cltvDelta: DELTA + 1 }],
      ])('refuses a hold of the same hash with %s', async (_title, over) => {
        const { plan } = await newHold()
        expect((await finish(connection().createHold({ ...plan, ...over }))).class).toBe('T')
      })

      it('refuses a hash whose hold has ended', async () => {
        const { plan } = await newHold()
        await finish(connection().cancelHold(plan.hash))
        expect((await finish(connection().createHold(plan))).class).toBe('T')
      })

      it('sends nothing that would expire within a minute', async () => {
        const { plan } = newPlan(world().nowMs())
        const expiresAt = Math.floor(world().nowMs() / 1000) + 60
        expect((await finish(connection().createHold({ ...plan, expiresAt }))).class).toBe('S')
        expect(known(await finish(connection().lookupHold(plan.hash)))).toBe('not-found')
      })
    })

    describe('a paid hold', () => {
      it('is accepted, with its height and what arrived', async () => {
        const { plan } = await heldHold()
        const fact = known(await finish(connection().lookupHold(plan.hash)))
        const info = known(await finish(connection().nodeInfo()))
        expect(fact).toMatchObject({ state: 'accepted', receivedMsat: AMOUNT_MSAT })
        if (fact !== 'not-found') expect(fact.minHtlcHeight).toBeGreaterThan(info.blockHeight)
        await finish(connection().cancelHold(plan.hash))
      })

      it('is settled once, however often it is asked', async () => {
        const { preimage, plan, payment } = await heldHold()
        const settled = await finish(connection().settleHold(preimage))
        expect(settled).toMatchObject({ class: 'A', fact: { state: 'settled', receivedMsat: AMOUNT_MSAT } })
        expect(await finish(connection().settleHold(preimage))).toEqual(settled)
        expect((await finish(payment.end)).ok).toBe(true)
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('T')
        const resolved = await finish(connection().htlcsResolved(plan.hash))
        if (resolved.ok) expect(['ours', 'pending', 'unsupported']).toContain(resolved.value.state)
      })

      it('is given back by a cancel, and remembers what had arrived', async () => {
        const { preimage, plan, payment } = await heldHold()
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('A')
        expect((await finish(payment.end)).ok).toBe(false)
        const fact = known(await finish(connection().lookupHold(plan.hash)))
        expect(fact).toMatchObject({ state: 'canceled', receivedMsat: AMOUNT_MSAT, minHtlcHeight: null })
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('A')
        expect((await finish(connection().settleHold(preimage))).class).toBe('T')
      })

      it('is followed from open to its end by a watch', async () => {
        const { preimage, plan, fact } = await newHold()
        const states: HoldFact['state'][] = []
        const watch = connection().watchHold(plan.hash, ({ state }) => states.push(state))
        await world().until(() => states.includes('open'), 'the first state')
        const payment = await world().payHold(fact.request)
        await world().until(() => states.includes('accepted'), 'the acceptance')
        await finish(connection().settleHold(preimage))
        await world().until(() => states.includes('settled'), 'the settlement')
        await finish(payment.end)
        watch.close()
        expect([...new Set(states)]).toEqual(['open', 'accepted', 'settled'])
      })
    })

    describe('an unpaid hold', () => {
      it('is canceled once, however often it is asked', async () => {
        const { plan } = await newHold()
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('A')
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('A')
        expect(known(await finish(connection().lookupHold(plan.hash)))).toMatchObject({ state: 'canceled' })
      })

      it('can not be settled, and stays open', async () => {
        const { preimage, plan } = await newHold()
        expect((await finish(connection().settleHold(preimage))).class).toBe('conflict')
        expect(known(await finish(connection().lookupHold(plan.hash)))).toMatchObject({ state: 'open' })
      })
    })

    describe('a hold that LND does not know', () => {
      it('is not found, can not be canceled or settled, and is watched in silence', async () => {
        const { preimage, plan } = newPlan(world().nowMs())
        let heard = 0
        const watch = connection().watchHold(plan.hash, () => {
          heard += 1
        })
        expect(known(await finish(connection().lookupHold(plan.hash)))).toBe('not-found')
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe('not-found')
        expect((await finish(connection().settleHold(preimage))).class).toBe('conflict')
        watch.close()
        expect(heard).toBe(0)
      })
    })

    describe('the list of holds', () => {
      it('has what is pending, or all since a moment', async () => {
        const open = await newHold()
        const held = await heldHold()
        const ended = await newHold()
        await finish(connection().cancelHold(ended.plan.hash))
        const listed = async (pendingOnly: boolean, createdSinceS: number) => {
          const holds = await allHolds({ pendingOnly, createdSinceS })
          const hashes = new Map(holds.map((hold) => [hold.hash, hold.state]))
          return [open, held, ended].map(({ plan }) => hashes.get(plan.hash))
        }
        const nowS = Math.floor(world().nowMs() / 1000)
        expect(await listed(true, 0)).toEqual(['open', 'accepted', undefined])
        expect(await listed(false, nowS - 3600)).toEqual(['open', 'accepted', 'canceled'])
        expect(await listed(false, nowS + 3600)).toEqual([undefined, undefined, undefined])
        await finish(connection().cancelHold(held.plan.hash))
      })
    })

    describe('paying', () => {
      it('pays an invoice within the fee limit, proves it, and pays it once', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        const plan = planFor(invoice)
        const before = world().nowMs()
        const paid = await finish(connection().pay(plan, before, () => {}))
        if (paid.class !== 'A') throw new Error(JSON.stringify(paid))
        expect(sha256(paid.preimage)).toBe(invoice.hash)
        expect(paid.feeMsat).toBeLessThanOrEqual(plan.maxFeeMsat)
        const { preimage, feeMsat } = paid
        expect(await finish(connection().lookupPayment(invoice.hash))).toEqual({
          ok: true,
          value: { state: 'succeeded', preimage, feeMsat, amountMsat: AMOUNT_MSAT },
        })
        const again = await finish(connection().pay(plan, world().nowMs(), () => {}))
        expect(again).toEqual({ class: 'A', preimage, feeMsat })
        const payments = known(await finish(connection().listPayments(Math.floor(before / 1000) - 3600)))
        expect(payments.filter(({ hash }) => hash === invoice.hash)).toMatchObject([{ status: 'succeeded' }])
      })

      it('pays an invoice without an amount what we owe', async () => {
        const invoice = await world().invoice({ amountMsat: null })
        const plan = { ...planFor(invoice), invoiceHasAmount: false, amountMsat: msat(123_000) }
        expect((await finish(connection().pay(plan, world().nowMs(), () => {}))).class).toBe('A')
        expect(known(await finish(connection().lookupPayment(invoice.hash)))).toMatchObject({ amountMsat: 123_000 })
      })

      it('stops at our own mistake with the amount', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        const wrong = { ...planFor(invoice), invoiceHasAmount: false }
        expect((await finish(connection().pay(wrong, world().nowMs(), () => {}))).class).toBe('B')
        expect(known(await finish(connection().lookupPayment(invoice.hash)))).toBe('not-found')
      })

      it('can not pay an invoice of the node itself', async () => {
        const { plan, fact } = await newHold()
        const own = planFor({ hash: plan.hash, request: fact.request })
        expect(await finish(connection().pay(own, world().nowMs(), () => {}))).toEqual({
          class: 'T',
          reason: 'unpayable',
          tried: false,
          known: false,
        })
      })

      it('is under way while the payee holds on; it fails, and the same invoice can be paid then', async () => {
        const invoice = await world().heldInvoice(AMOUNT_MSAT)
        let acks = 0
        const first = connection().pay(planFor(invoice), world().nowMs(), () => {
          acks += 1
        })
        await world().until(async () => {
          const looked = await connection().lookupPayment(invoice.hash)
          return acks > 0 && looked.ok && looked.value !== 'not-found' && looked.value.state === 'alive'
        }, 'the payment to be under way')
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('U')
        await invoice.release('fail')
        expect(await finish(first)).toMatchObject({ class: 'T', reason: 'incorrect-details', tried: true, known: true })
        expect(acks).toBe(1)
        expect(known(await finish(connection().lookupPayment(invoice.hash)))).toMatchObject({ state: 'failed' })
      })

      it('ends well when the payee settles late', async () => {
        const invoice = await world().heldInvoice(AMOUNT_MSAT)
        let acked = false
        const paying = connection().pay(planFor(invoice), world().nowMs(), () => {
          acked = true
        })
        await world().until(() => acked, 'the acknowledgement')
        await invoice.release('settle')
        expect(await finish(paying)).toMatchObject({ class: 'A' })
      })

      it('knows nothing of a hash that was never paid', async () => {
        expect(known(await finish(connection().lookupPayment(randomBytes(32).toString('hex'))))).toBe('not-found')
      })
    })

    describe('closing', () => {
      it('refuses everything afterwards and says so once', async () => {
        const { preimage, plan } = await newHold()
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        connection().close()
        connection().close()
        await finish(connection().lost)
        await expectRefusal(connection(), plan, preimage, planFor(invoice), finish, world().nowMs())
      })
    })
  })
}

/** What must hold when things break: for worlds that can break things. */
export function lightningFaultContract(name: string, makeWorld: () => Promise<SimulatedWorld>): void {
  describe(name, () => {
    const { world, connection, reconnect, finish, newHold, heldHold, allHolds, planFor } = fixture(makeWorld)
    afterEach(() => {
      world().network.faults.clear()
      if (world().network.node.state() === 'stopped') world().network.node.start()
      world().network.node.unlock()
    })

    const stateOf = async (hash: string) => {
      const fact = known(await finish(connection().lookupHold(hash)))
      return fact === 'not-found' ? fact : fact.state
    }
    const next = (...args: Parameters<SimNetwork['faults']['next']>) => world().network.faults.next(...args)

    describe('a refusal before anything was executed', () => {
      const refusals: readonly (readonly [string, Fault, string])[] = [
        ['no connection', { kind: 'refuse', with: 'no-connection' }, 'S'],
        ['a locked wallet', { kind: 'refuse', with: 'locked' }, 'S'],
        ['a starting node', { kind: 'refuse', with: 'starting' }, 'S'],
        ['a missing right', { kind: 'refuse', with: 'permission' }, 'B'],
      ]
      it.each(refusals)('%s is told as what it is, by every verb', async (_title, fault, expected) => {
        const fresh = newPlan(world().nowMs())
        const { preimage, plan } = await newHold()
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        next('AddHoldInvoice', fault)
        expect((await finish(connection().createHold(fresh.plan))).class).toBe(expected)
        next('SettleInvoice', fault)
        expect((await finish(connection().settleHold(preimage))).class).toBe(expected)
        next('CancelInvoice', fault)
        expect((await finish(connection().cancelHold(plan.hash))).class).toBe(expected)
        next('SendPaymentV2', fault)
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe(expected)
        next('LookupInvoice', fault)
        expect((await finish(connection().lookupHold(plan.hash))).ok).toBe(false)
        next('TrackPaymentV2', fault)
        expect((await finish(connection().lookupPayment(invoice.hash))).ok).toBe(false)
        expect(await stateOf(fresh.plan.hash)).toBe('not-found')
        expect(await stateOf(plan.hash)).toBe('open')
      })
    })

    describe('an answer that is lost while the connection lives', () => {
      const losses: readonly (readonly [string, Fault])[] = [
        ['silence', { kind: 'lose-answer', how: 'silence' }],
        ['a deadline', { kind: 'lose-answer', how: 'deadline' }],
        ['an internal error', { kind: 'lose-answer', how: 'internal' }],
      ]
      it.each(losses)('%s: the look-up finds what was done', async (_title, fault) => {
        const fresh = newPlan(world().nowMs())
        next('AddHoldInvoice', fault)
        expect(await finish(connection().createHold(fresh.plan))).toMatchObject({ class: 'A', fact: { state: 'open' } })
        next('CancelInvoice', fault)
        expect((await finish(connection().cancelHold(fresh.plan.hash))).class).toBe('A')
        const { preimage } = await heldHold()
        next('SettleInvoice', fault)
        expect(await finish(connection().settleHold(preimage))).toMatchObject({
          class: 'A',
          fact: { state: 'settled' },
        })
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        next('SendPaymentV2', fault)
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('A')
      })

      it('is unknown when the look-up is lost too', async () => {
        const { plan } = newPlan(world().nowMs())
        next('AddHoldInvoice', { kind: 'lose-answer', how: 'internal' })
        next('LookupInvoice', { kind: 'lose-answer', how: 'internal' })
        const outcome = await finish(connection().createHold(plan))
        expect(outcome).toMatchObject({ class: 'U', connectionLost: false })
        expect(await stateOf(plan.hash)).toBe('open')
      })

      it('is no success when the answer lacks its content', async () => {
        const { plan } = await newHold()
        next('LookupInvoice', { kind: 'garbage' })
        expect((await finish(connection().lookupHold(plan.hash))).ok).toBe(false)
        next('GetInfo', { kind: 'garbage' })
        expect((await finish(connection().nodeInfo())).ok).toBe(false)
      })
    })

    describe('a request that is lost', () => {
      it('is known not to be executed after the look-up, for a hold', async () => {
        const { plan } = newPlan(world().nowMs())
        next('AddHoldInvoice', { kind: 'swallow' })
        expect((await finish(connection().createHold(plan))).class).toBe('S')
        const held = await heldHold()
        next('SettleInvoice', { kind: 'swallow' })
        expect((await finish(connection().settleHold(held.preimage))).class).toBe('S')
        next('CancelInvoice', { kind: 'swallow' })
        expect((await finish(connection().cancelHold(held.plan.hash))).class).toBe('S')
        await finish(connection().cancelHold(held.plan.hash))
      })

      it('stays unknown for a payment: it may still be on its way', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        next('SendPaymentV2', { kind: 'swallow' })
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('U')
      })
    })

    describe('a connection that breaks', () => {
      it('leaves what was executed unknown; the next connection finds it', async () => {
        const { plan } = newPlan(world().nowMs())
        next('AddHoldInvoice', { kind: 'lose-answer', how: 'cut' })
        expect(await finish(connection().createHold(plan))).toMatchObject({ class: 'U', connectionLost: true })
        await finish(connection().lost)
        await reconnect()
        expect(await stateOf(plan.hash)).toBe('open')

        const { preimage } = await heldHold()
        next('SettleInvoice', { kind: 'lose-answer', how: 'cut' })
        expect(await finish(connection().settleHold(preimage))).toMatchObject({ class: 'U', connectionLost: true })
        await reconnect()
        expect(await finish(connection().settleHold(preimage))).toMatchObject({
          class: 'A',
          fact: { state: 'settled' },
        })

        next('CancelInvoice', { kind: 'lose-answer', how: 'cut' })
        expect(await finish(connection().cancelHold(plan.hash))).toMatchObject({ class: 'U', connectionLost: true })
        await reconnect()
        expect(await stateOf(plan.hash)).toBe('canceled')

        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        next('SendPaymentV2', { kind: 'lose-answer', how: 'cut' })
        const paying = connection().pay(planFor(invoice), world().nowMs(), () => {})
        expect(await finish(paying)).toMatchObject({ class: 'U', connectionLost: true })
        await reconnect()
        expect(known(await finish(connection().lookupPayment(invoice.hash)))).toMatchObject({ state: 'succeeded' })
      })

      it('is lost for good: everything is refused, and a new one works', async () => {
        const { preimage, plan } = await newHold()
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        world().network.node.cutConnections()
        await finish(connection().lost)
        await expectRefusal(connection(), plan, preimage, planFor(invoice), finish, world().nowMs())
        await reconnect()
        expect(await stateOf(plan.hash)).toBe('open')
      })

      it('is noticed when LND restarts in order, and when nothing passes any more', async () => {
        world().network.node.restart({ how: 'orderly' })
        await finish(connection().lost)
        await reconnect()
        world().network.node.halfOpenConnections()
        await finish(connection().lost)
      })

      it('can not be opened to a node that is stopped, or locked', async () => {
        connection().close()
        world().network.node.lock()
        expect((await finish(world().lightning.connect())).ok).toBe(false)
        world().network.node.unlock()
        world().network.node.stop()
        expect((await finish(world().lightning.connect())).ok).toBe(false)
      })
    })

    describe('what a trader may do to a hold', () => {
      it('overpays it: the fact tells what arrived', async () => {
        const { plan, fact } = await newHold()
        const options = { overpayMsat: msat(50_000) }
        const payment = await finish(world().trader.startPayment(fact.request, options))
        expect(payment.held).toBe(true)
        expect(known(await finish(connection().lookupHold(plan.hash)))).toMatchObject({
          state: 'accepted',
          amountMsat: 100_000,
          receivedMsat: 150_000,
        })
        await finish(connection().cancelHold(plan.hash))
        await finish(payment.end)
      })
    })

    describe('payments that go wrong', () => {
      const reasons: readonly PaymentFailure[] = [
        'no-route',
        'incorrect-details',
        'timeout',
        'insufficient-balance',
        'error',
        'canceled',
      ]
      it.each(reasons)('fail with %s, and the same invoice can be paid afterwards', async (reason) => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        const tried = reason !== 'insufficient-balance'
        world().network.node.scriptPayment(invoice.hash, { kind: 'fail', reason, tried })
        const failed = await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))
        expect(failed).toEqual({ class: 'T', reason, tried, known: true })
        await world().pass(5_000)
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('A')
      })

      it('fail once although LND says it twice', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        world().network.node.scriptPayment(invoice.hash, { kind: 'fail-twice', reason: 'no-route' })
        const failed = await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))
        expect(failed).toMatchObject({ class: 'T', reason: 'no-route' })
      })

      it('are not believed with a wrong preimage', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        world().network.node.scriptPayment(invoice.hash, { kind: 'wrong-preimage' })
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('U')
        expect((await finish(connection().lookupPayment(invoice.hash))).ok).toBe(false)
      })

      it('are left after the watch when they hang, and are still under way', async () => {
        const invoice = await world().invoice({ amountMsat: AMOUNT_MSAT })
        world().network.node.scriptPayment(invoice.hash, { kind: 'zombie' })
        expect((await finish(connection().pay(planFor(invoice), world().nowMs(), () => {}))).class).toBe('U')
        expect(known(await finish(connection().lookupPayment(invoice.hash)))).toEqual({ state: 'alive' })
      })

      it('can not be made to an invoice that has expired', async () => {
        const request = world().trader.invoice({ amountMsat: AMOUNT_MSAT, expiryS: 10 })
        const hash = hashOfRequest(request)
        await world().pass(20_000)
        const outcome = await finish(connection().pay(planFor({ request, hash }), world().nowMs(), () => {}))
        expect(outcome).toEqual({ class: 'T', reason: 'unpayable', tried: false, known: false })
      })

      it('are recognised when an earlier attempt failed and the invoice has expired', async () => {
        const request = world().trader.invoice({ amountMsat: AMOUNT_MSAT, expiryS: 10 })
        const hash = hashOfRequest(request)
        world().network.node.scriptPayment(hash, { kind: 'fail', reason: 'no-route' })
        await finish(connection().pay(planFor({ request, hash }), world().nowMs(), () => {}))
        await world().pass(20_000)
        const outcome = await finish(connection().pay(planFor({ request, hash }), world().nowMs(), () => {}))
        expect(outcome).toEqual({ class: 'T', reason: 'unpayable', tried: false, known: true })
      })
    })

    describe('many holds', () => {
      it('are listed from all pages', async () => {
        const plans = Array.from({ length: 520 }, () => newPlan(world().nowMs()).plan)
        for (let made = 0; made < plans.length; made += 10) {
          const some = plans.slice(made, made + 10).map((plan) => connection().createHold(plan))
          for (const outcome of await finish(Promise.all(some))) expect(outcome.class).toBe('A')
        }
        const listed = await allHolds({ pendingOnly: true, createdSinceS: 0 })
        const hashes = new Set(listed.map(({ hash }) => hash))
        expect(hashes.size).toBe(listed.length)
        expect(plans.every(({ hash }) => hashes.has(hash))).toBe(true)
      })
    })
  })
}

/** One world for all rows of a suite, one connection for each row. */
function fixture<W extends LightningWorld>(makeWorld: () => Promise<W>) {
  let made: W | undefined
  let open: LightningConnection | undefined
  const world = (): W => {
    if (made === undefined) throw new Error('the world is made before the first row')
    return made
  }
  const connection = (): LightningConnection => {
    if (open === undefined) throw new Error('the connection is opened before each row')
    return open
  }
  const finish = <T>(work: Promise<T>): Promise<T> => world().finish(work, 'a call')
  const reconnect = async (): Promise<void> => {
    open?.close()
    await world().until(async () => {
      const opened = await world().lightning.connect()
      if (opened.ok) open = opened.value
      return opened.ok
    }, 'a connection')
  }
  beforeAll(async () => {
    made = await makeWorld()
  })
  beforeEach(reconnect)
  afterEach(() => open?.close())
  afterAll(() => made?.close())

  const newHold = async () => {
    const { preimage, plan } = newPlan(world().nowMs())
    const created = await finish(connection().createHold(plan))
    if (created.class !== 'A') throw new Error(`no hold: ${JSON.stringify(created)}`)
    return { preimage, plan, fact: created.fact }
  }
  const heldHold = async () => {
    const hold = await newHold()
    const payment = await world().payHold(hold.fact.request)
    if (!payment.held) throw new Error('the trader could not pay the hold')
    await world().until(async () => {
      const looked = await connection().lookupHold(hold.plan.hash)
      return looked.ok && looked.value !== 'not-found' && looked.value.state === 'accepted'
    }, 'the hold to be accepted')
    return { ...hold, payment }
  }
  const allHolds = async (query: Parameters<LightningConnection['listHolds']>[0]): Promise<readonly HoldFact[]> => {
    const holds: HoldFact[] = []
    known(await finish(connection().listHolds(query, (facts) => holds.push(...facts))))
    return holds
  }
  const planFor = ({ request, hash }: TraderInvoice): PayPlan => ({
    hash,
    request,
    amountMsat: AMOUNT_MSAT,
    invoiceHasAmount: true,
    maxFeeMsat: msat(10_000),
    timeoutS: 60,
    maxParts: 16,
    cltvLimit: 1008,
  })
  return { world, connection, reconnect, finish, newHold, heldHold, allHolds, planFor }
}

function newPlan(nowMs: number): { readonly preimage: string; readonly plan: HoldPlan } {
  const preimage = randomBytes(32).toString('hex')
  const plan: HoldPlan = {
    hash: sha256(preimage),
    amountMsat: AMOUNT_MSAT,
    cltvDelta: DELTA,
    memo: 'Escrow of a trade, paid by nobody but its seller',
    expiresAt: Math.floor(nowMs / 1000) + LIFE_S,
  }
  return { preimage, plan }
}

async function expectRefusal(
  connection: LightningConnection,
  plan: HoldPlan,
  preimage: string,
  payPlan: PayPlan,
  finish: <T>(work: Promise<T>) => Promise<T>,
  nowMs: number,
): Promise<void> {
  const effects = [
    connection.createHold(plan),
    connection.settleHold(preimage),
    connection.cancelHold(plan.hash),
    connection.pay(payPlan, nowMs, () => {}),
  ]
  const outcomes = await finish(Promise.all<{ readonly class: string }>(effects))
  expect(outcomes.map((outcome) => outcome.class)).toEqual(['S', 'S', 'S', 'S'])
  const reads: Promise<{ readonly ok: boolean }>[] = [
    connection.nodeInfo(),
    connection.lookupHold(plan.hash),
    connection.listHolds({ pendingOnly: true, createdSinceS: 0 }, () => undefined),
    connection.lookupPayment(payPlan.hash),
    connection.listPayments(0),
    connection.htlcsResolved(plan.hash),
  ]
  for (const read of await finish(Promise.all(reads))) expect(read.ok).toBe(false)
  connection.watchHold(plan.hash, () => expect.unreachable('a fact of a lost connection')).close()
}

function known<T>(lookup: Lookup<T>): T {
  if (!lookup.ok) throw new Error(`no answer: ${lookup.detail}`)
  return lookup.value
}

function hashOfRequest(request: string): string {
  const decoded = decodeBolt11(request)
  if (decoded === null) throw new Error(`not a request: ${request}`)
  return decoded.hash
}

function sha256(hex: string): string {
  return createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex')
}
