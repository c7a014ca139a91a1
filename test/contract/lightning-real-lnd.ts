import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Channel } from '../../src/adapters/lightning/channel.ts'
import { type LndConfig, lndTarget } from '../../src/adapters/lightning/config.ts'
import { createLnd } from '../../src/adapters/lightning/lnd.ts'
import { LND_TIMINGS } from '../../src/adapters/lightning/timings.ts'
import type { Clock } from '../../src/ports/system.ts'
import { readOwnRequest } from '../../src/wire/bolt11.ts'
import { eventually, within } from '../support/wait.ts'
import type { LightningWorld, TraderInvoice } from './lightning-contract.ts'

/** A payment between two nodes of a quiet network needs a second or two. */
const LIMIT_MS = 60_000
const LIFE_S = 3_600
const FEE_LIMIT_MSAT = '10000'

const hostClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

/**
 * Two real nodes with a channel between them and balance on both sides, from the environment:
 * `FIANZA_TEST_LND_DAEMON_SOCKET`, `_CERT` and `_MACAROON` name the node under test, `FIANZA_TEST_LND_TRADER_…` the other
 * one, which needs its admin macaroon. `_CERT` and `_MACAROON` are paths of files. Null when they are not set.
 */
export function realLndWorld(env: NodeJS.ProcessEnv): (() => Promise<LightningWorld>) | null {
  const daemon = configOf(env, 'DAEMON')
  const trader = configOf(env, 'TRADER')
  return daemon === null || trader === null ? null : () => makeWorld(daemon, trader)
}

function configOf(env: NodeJS.ProcessEnv, who: 'DAEMON' | 'TRADER'): LndConfig | null {
  const socket = env[`FIANZA_TEST_LND_${who}_SOCKET`]
  const cert = env[`FIANZA_TEST_LND_${who}_CERT`]
  const macaroon = env[`FIANZA_TEST_LND_${who}_MACAROON`]
  if (socket === undefined || cert === undefined || macaroon === undefined) return null
  return { socket, cert: readFileSync(cert, 'utf8'), macaroonHex: readFileSync(macaroon).toString('hex') }
}

async function makeWorld(daemon: LndConfig, trader: LndConfig): Promise<LightningWorld> {
  const lnd = createLnd(daemon, { clock: hostClock, readRequest: readOwnRequest })
  if (!lnd.ok) throw new Error(lnd.error)
  const target = lndTarget(trader)
  if (!target.ok) throw new Error(target.error)
  let closed = false
  const channel = new Channel(target.value, LND_TIMINGS, () => {})

  const addInvoice = async (hash: string, amountMsat: number | null): Promise<TraderInvoice> => {
    const added = await channel.unary('addHoldInvoice', {
      hash: Buffer.from(hash, 'hex'),
      value_msat: String(amountMsat ?? 0),
      memo: 'contract',
      expiry: LIFE_S,
      cltv_expiry: 80,
    })
    if (!added.ok) throw new Error(added.error.details)
    return { request: added.value.payment_request, hash }
  }
  const accepted = async (hash: string): Promise<boolean> => {
    const found = await channel.unary('lookupInvoice', { r_hash: Buffer.from(hash, 'hex') })
    return found.ok && found.value.state === 'ACCEPTED'
  }
  const settleWhenPaid = async (preimage: Buffer, hash: string): Promise<void> => {
    await eventually(() => closed || accepted(hash), 'the trader to be paid', LIMIT_MS)
    await channel.unary('settleInvoice', { preimage })
  }
  const secret = () => {
    const preimage = randomBytes(32)
    return { preimage, hash: createHash('sha256').update(preimage).digest('hex') }
  }
  return {
    lightning: lnd.value,
    nowMs: () => Date.now(),
    finish: (work, what) => within(work, what, LIMIT_MS),
    until: (holds, what) => eventually(holds, what, LIMIT_MS),
    payHold: (request) =>
      new Promise((resolve) => {
        const plan = {
          payment_request: request,
          fee_limit_msat: FEE_LIMIT_MSAT,
          timeout_seconds: 60,
          max_parts: 1,
          cltv_limit: 1008,
          allow_self_payment: false,
          cancelable: false,
          no_inflight_updates: false,
        } as const
        let ended: (end: { ok: boolean }) => void = () => {}
        const end = new Promise<{ ok: boolean }>((settle) => {
          ended = settle
        })
        channel.stream('sendPayment', plan, {
          onMessage: ({ status, htlcs }) => {
            if (htlcs.length > 0) resolve({ held: true, end })
            if (status === 'SUCCEEDED' || status === 'FAILED') ended({ ok: status === 'SUCCEEDED' })
          },
          onEnd: () => {
            resolve({ held: false, end })
            ended({ ok: false })
          },
        })
      }),
    invoice: async ({ amountMsat }) => {
      const { preimage, hash } = secret()
      const invoice = await addInvoice(hash, amountMsat)
      settleWhenPaid(preimage, hash).catch(() => {})
      return invoice
    },
    heldInvoice: async (amountMsat) => {
      const { preimage, hash } = secret()
      const invoice = await addInvoice(hash, amountMsat)
      const release = async (outcome: 'settle' | 'fail') => {
        await eventually(() => accepted(hash), 'the trader to hold the payment', LIMIT_MS)
        if (outcome === 'settle') await channel.unary('settleInvoice', { preimage })
        else await channel.unary('cancelInvoice', { payment_hash: Buffer.from(hash, 'hex') })
      }
      return { ...invoice, release }
    },
    close: () => {
      closed = true
      channel.close('the contract is over')
      return Promise.resolve()
    },
  }
}
