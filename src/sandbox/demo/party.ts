/** A trader of the demo: a client, a wallet, and what the wallet paid to others on the way. */

import { systemRandom } from '../../adapters/system/random.ts'
import { isReputationNotice, type Received, randomMnemonic, TraderClient } from '../../client/index.ts'
import { assert } from '../../core/assert.ts'
import { addMsat, type Msat, satsToMsat, ZERO_MSAT } from '../../core/money.ts'
import type { SimWallet } from '../lightning/control.ts'
import type { WalletName, World } from '../world.ts'

/** Generous: the machine may be busy, and the daemon may just have been killed. */
const DEADLINE_MS = 30_000

export class Party {
  readonly name: WalletName
  readonly client: TraderClient
  readonly wallet: SimWallet
  readonly startMsat: Msat
  #routingMsat: Msat = ZERO_MSAT
  readonly #payments: Promise<void>[] = []

  constructor(world: World, name: WalletName) {
    this.name = name
    this.wallet = world.network.wallet(name)
    this.startMsat = this.wallet.balanceMsat()
    this.client = new TraderClient({
      relays: [world.relay.url],
      nodePubkey: world.pubkey,
      mnemonic: randomMnemonic(systemRandom),
      deadlineMs: DEADLINE_MS,
    })
  }

  /** What the wallet paid to the network for routing. Known when its payments have ended. */
  get routingMsat(): Msat {
    return this.#routingMsat
  }

  /** An invoice of the wallet over whole sats. */
  invoice(amountSats: number): string {
    return this.wallet.invoice({ amountMsat: satsToMsat(amountSats) })
  }

  /** Waits until the node asks for the escrow of an order, and pays it; resolves when the sats are held. */
  async payEscrow(orderId: string): Promise<void> {
    await this.lock(await this.request('pay-invoice', orderId))
  }

  /** What the node asks for next, about an order; notices about the other side look alike, and ask for nothing. */
  async request(action: 'pay-invoice' | 'add-invoice', orderId: string, deadlineMs = DEADLINE_MS): Promise<Received> {
    for (;;) {
      const received = await this.client.next(action, orderId, { deadlineMs })
      if (!isReputationNotice(received.message)) return received
    }
  }

  /** Pays the escrow that a message asks for; resolves when the sats are held. */
  async lock({ message }: Received): Promise<void> {
    assert(message.payload?.kind === 'payment_request', 'the node asks for a payment')
    const { held, end } = await this.wallet.startPayment(message.payload.request)
    assert(held, `${this.name} could not lock the escrow`)
    this.#payments.push(
      end.then((result) => {
        if (result.ok) this.#routingMsat = addMsat(this.#routingMsat, result.feeMsat)
      }),
    )
  }

  /** Resolves when every payment of the wallet has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#payments)
  }

  close(): Promise<void> {
    return this.client.close()
  }
}

/** The id of the order that a message is about. */
export function orderIdOf({ message }: Received): string {
  assert(message.id !== null, `${message.action} names its order`)
  return message.id
}

/** The amount that the order in a message shows to its reader: a buyer sees what he gets. */
export function amountSatsOf({ message: { action, payload } }: Received): number {
  const order = payload?.kind === 'order' || payload?.kind === 'payment_request' ? payload.order : null
  assert(order !== null, `${action} shows its order`)
  return Number(order.amount)
}
