/** Invoices that the simulated LND holds, thousands of them, put straight into its records. */
import { randomBytes } from 'node:crypto'
import type { NodeImage, SimNetwork } from '../../src/sandbox/lightning/control.ts'
import type { Invoice } from '../../src/sandbox/lightning/model/records.ts'
import type { Held } from './fill.ts'

const EXPIRY_S = 86_400

/** Restarts the node with these invoices in its records: paid, and neither settled nor canceled. */
export function holdInvoices(network: SimNetwork, held: readonly Held[]): void {
  const image = network.node.image()
  const height = network.height()
  const records = image as unknown as { readonly invoices: readonly Invoice[]; readonly lastAddIndex: number }
  const invoices = held.map(({ hash, memo, amountMsat, cltvDelta }, n): Invoice => {
    const addIndex = records.lastAddIndex + n + 1
    return {
      hash,
      preimage: null,
      request: `lnbcrt${hash}`,
      secret: randomBytes(32).toString('hex'),
      amountMsat,
      memo,
      descriptionHash: null,
      cltvDelta,
      createdAtMs: Date.now(),
      expiryS: EXPIRY_S,
      features: [],
      addIndex,
      state: 'accepted',
      receivedMsat: amountMsat,
      settleIndex: null,
      settledAtMs: null,
      htlcs: [
        {
          htlcId: n + 1,
          channelIndex: n,
          amountMsat,
          totalMsat: amountMsat,
          expiryHeight: height + cltvDelta,
          acceptHeight: height,
          acceptedAtMs: Date.now(),
          resolvedAtMs: null,
          state: 'accepted',
        },
      ],
    }
  })
  const filled = {
    ...image,
    invoices: [...records.invoices, ...invoices],
    lastAddIndex: records.lastAddIndex + held.length,
  }
  network.node.restart({ image: filled as unknown as NodeImage })
}
