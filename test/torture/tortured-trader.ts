/** A trader whose node dies again and again: he asks until he is answered, and forgets nothing that he was told. */
import { systemRandom } from '../../src/adapters/system/random.ts'
import {
  CantDoError,
  DeadlineError,
  isReputationNotice,
  type Received,
  randomMnemonic,
  TraderClient,
  type Transport,
} from '../../src/client/index.ts'
import { addMsat, type Msat, satsToMsat, ZERO_MSAT } from '../../src/core/money.ts'
import type { Action } from '../../src/core/protocol.ts'
import type { SimWallet } from '../../src/sandbox/lightning/control.ts'
import type { World } from '../../src/sandbox/world.ts'
import { letPass } from '../support/wait.ts'

/** An answer that does not come in this time is asked for again, as people do. */
const ANSWER_MS = 12_000
/** What the node says by itself may take several of its lives, and the pauses after a host that was slow twice. */
const PATIENCE_MS = 600_000
/** How long somebody waits who was told "not now", at first and at most. */
const AGAIN_MS = { min: 1000, max: 8000 }
/** Refusals that only say: not now (DEC-04). */
const NOT_NOW: ReadonlySet<string | null> = new Set(['pending_order_exists', 'too_many_requests', 'invalid_parameters'])
/** What a host that takes its time looks like to who names an address there. */
export const SLOW_HOST: ReadonlySet<string | null> = new Set([...NOT_NOW, 'invalid_invoice'])

/** The sats of one person, over all the clients that he uses. */
export class Purse {
  readonly wallet: SimWallet
  readonly startMsat: Msat
  #routingMsat = ZERO_MSAT
  readonly #payments: Promise<void>[] = []

  constructor(wallet: SimWallet) {
    this.wallet = wallet
    this.startMsat = wallet.balanceMsat()
  }

  /** What the wallet gained since the beginning, without what it paid for routing. */
  get gainMsat(): number {
    return this.wallet.balanceMsat() - this.startMsat + this.#routingMsat
  }

  /** Pays an escrow; resolves when the sats are held. */
  async lock(request: string): Promise<void> {
    const { held, end } = await this.wallet.startPayment(request)
    if (!held) throw new Error(`${this.wallet.name} could not lock the escrow: ${JSON.stringify(await end)}`)
    this.#payments.push(
      end.then((result) => {
        if (result.ok) this.#routingMsat = addMsat(this.#routingMsat, result.feeMsat)
      }),
    )
  }

  invoice(amountSats: number): string {
    return this.wallet.invoice({ amountMsat: satsToMsat(amountSats), expiryS: 86_400 })
  }

  /** Resolves when every payment has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#payments)
  }
}

export class TorturedTrader {
  readonly purse: Purse
  readonly client: TraderClient
  readonly #known = new Set<string>()

  constructor(world: World, purse: Purse, transport: Transport) {
    this.purse = purse
    this.client = new TraderClient({
      relays: [world.relay.url],
      nodePubkey: world.pubkey,
      mnemonic: randomMnemonic(systemRandom),
      deadlineMs: ANSWER_MS,
      transport,
      pow: 0,
    })
  }

  /** The answer to a request: one that stays out, or a refusal that says "not now", is followed by the same request. */
  async insist(first: (client: TraderClient) => Promise<Received>, notNow = NOT_NOW): Promise<Received> {
    const untilMs = performance.now() + PATIENCE_MS
    let ask = (): Promise<Received> => first(this.client)
    for (let againMs = AGAIN_MS.min; ; againMs = Math.min(2 * againMs, AGAIN_MS.max)) {
      try {
        const answer = await ask()
        if (answer.message.id !== null) this.#known.add(answer.message.id)
        return answer
      } catch (error) {
        const request = askAgain(error, notNow)
        if (request === null || performance.now() > untilMs) throw error
        if (error instanceof CantDoError) await letPass(againMs)
        ask = () => this.client.resend(request)
      }
    }
  }

  /** What the node says by itself; notices about the other side's reputation are none of it. */
  async hear(action: Action, orderId: string): Promise<Received> {
    for (;;) {
      const received = await this.client.next(action, orderId, { deadlineMs: PATIENCE_MS })
      if (!isReputationNotice(received.message)) return received
    }
  }

  /** Another invoice is asked for, because his sats did not arrive; not what he was asked when he took the order, said again. */
  async hearPayoutAsked(orderId: string): Promise<void> {
    for (;;) {
      const { message } = await this.hear('add-invoice', orderId)
      if (message.payload?.kind === 'order' && message.payload.order.status === 'settled-hold-invoice') return
    }
  }

  /** The order that a range order of ours has left behind. */
  async hearOfRest(): Promise<string> {
    for (;;) {
      const { message } = await this.client.next('new-order', undefined, { deadlineMs: PATIENCE_MS })
      if (message.id === null || this.#known.has(message.id)) continue
      this.#known.add(message.id)
      return message.id
    }
  }

  /** How often he was told this about an order. */
  told(action: Action, orderId: string): number {
    return this.client.history(orderId).filter(({ message }) => message.action === action).length
  }
}

function askAgain(error: unknown, notNow: ReadonlySet<string | null>) {
  if (error instanceof DeadlineError) return error.request
  return error instanceof CantDoError && notNow.has(error.reason) ? error.request : null
}
