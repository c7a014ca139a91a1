import { createLnd } from '../../src/adapters/lightning/lnd.ts'
import { RPC_NAMES, rpcUri } from '../../src/adapters/lightning/rpcs.ts'
import type { LndTimings } from '../../src/adapters/lightning/timings.ts'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { satsToMsat } from '../../src/core/money.ts'
import type { Lightning } from '../../src/ports/lightning.ts'
import { decodeBolt11 } from '../../src/sandbox/lightning/bolt11.ts'
import type { SimConfig, SimNetwork } from '../../src/sandbox/lightning/control.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { createSimNetwork, type Network } from '../../src/sandbox/lightning/network.ts'
import { createSimLndServer } from '../../src/sandbox/lightning/server/server.ts'
import { readOwnRequest } from '../../src/wire/bolt11.ts'
import { TestClock } from '../support/clock.ts'
import { seededRandom } from '../support/random.ts'
import { lightningContract, lightningFaultContract, type SimulatedWorld } from './lightning-contract.ts'
import { realLndWorld } from './lightning-real-lnd.ts'

/** Virtual time of one turn of a simulated world. */
const STEP_MS = 100
/** Real time that a row may wait in all. */
const LIMIT_MS = 10_000

/** Deadlines of gRPC run in real time, so the adapter's are short; the watch of a payment runs in virtual time. */
const TIMINGS: Partial<LndTimings> = {
  readMs: 800,
  effectMs: 800,
  keepaliveMs: 150,
  keepaliveAnswerMs: 150,
  payWatchMs: 70_000,
}

/** `breathe`: what happens outside of the process needs a little real time. */
type Door = { readonly lightning: Lightning; breathe(): Promise<void>; close(): Promise<void> }

const inProcess = (network: Network, clock: TestClock): Promise<Door> =>
  Promise.resolve({
    lightning: createSimLightning(network, clock),
    breathe: () => Promise.resolve(),
    close: () => Promise.resolve(),
  })

/** With the macaroon that fianza asks its operator to bake, and no other right. */
const overGrpc = async (network: Network, clock: TestClock): Promise<Door> => {
  const server = createSimLndServer(network, clock)
  const { socket, certPem } = await server.listen()
  const macaroonHex = server.macaroon(RPC_NAMES.map((name) => `uri:${rpcUri(name)}`))
  const lnd = createLnd(
    { socket, cert: certPem, macaroonHex },
    { clock, readRequest: readOwnRequest, timings: TIMINGS },
  )
  if (!lnd.ok) throw new Error(lnd.error)
  const breathe = () => new Promise<void>((resolve) => void systemClock.after(1, resolve))
  return { lightning: lnd.value, breathe, close: () => server.stop() }
}

async function simulated(
  door: (network: Network, clock: TestClock) => Promise<Door>,
  config: Partial<SimConfig> = {},
): Promise<SimulatedWorld> {
  const clock = new TestClock(Date.now())
  const network = createSimNetwork({
    clock,
    random: seededRandom(11),
    config: { nodeLocalMsat: satsToMsat(10_000_000), nodeInboundMsat: satsToMsat(10_000_000), ...config },
  })
  const trader = network.addWallet('trader', satsToMsat(1_000_000))
  const { lightning, breathe, close } = await door(network, clock)

  /** Virtual time moves step by step until the work is done. */
  const finish = async <T>(work: Promise<T>, what: string): Promise<T> => {
    const startMs = performance.now()
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => {})
    while (!done) {
      if (performance.now() - startMs > LIMIT_MS) throw new Error(`waited ${LIMIT_MS} ms for ${what}`)
      await clock.advance(STEP_MS)
      await breathe()
    }
    return settled
  }
  const until = async (holds: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    const startMs = performance.now()
    while (!(await finish(Promise.resolve(holds()), what))) {
      if (performance.now() - startMs > LIMIT_MS) throw new Error(`waited ${LIMIT_MS} ms for ${what}`)
    }
  }
  return {
    lightning,
    network: network satisfies SimNetwork,
    trader,
    nowMs: () => clock.nowMs(),
    finish,
    until,
    pass: (ms) => clock.advance(ms),
    payHold: (request) => finish(trader.startPayment(request), 'the trader to pay'),
    invoice: ({ amountMsat }) => Promise.resolve(requestOf(trader.invoice({ amountMsat }))),
    heldInvoice: async (amountMsat) => {
      const invoice = requestOf(trader.invoice({ amountMsat }))
      trader.onIncoming('hold', invoice.hash)
      const release = async (outcome: 'settle' | 'fail') => {
        await until(() => trader.held().includes(invoice.hash), 'the trader to hold the payment')
        if (outcome === 'settle') trader.settleHeld(invoice.hash)
        else trader.failHeld(invoice.hash)
      }
      return { ...invoice, release }
    },
    close: async () => {
      network.close()
      await close()
    },
  }
}

function requestOf(request: string): { readonly request: string; readonly hash: string } {
  const decoded = decodeBolt11(request)
  if (decoded === null) throw new Error(`not a request: ${request}`)
  return { request, hash: decoded.hash }
}

lightningContract('the simulated Lightning port', () => simulated(inProcess))
lightningFaultContract('the simulated Lightning port, when things break', () => simulated(inProcess))
lightningContract('LND over gRPC', () => simulated(overGrpc))
lightningFaultContract('LND over gRPC, when things break', () => simulated(overGrpc))
lightningContract("LND over gRPC, with the SQL store's error texts", () =>
  simulated(overGrpc, { errorTexts: 'wrapped' }),
)

/** Between real nodes each payment of a row may take a while. */
const REAL_ROW_MS = 180_000

const real = realLndWorld(process.env)
if (real !== null) lightningContract('a real LND', real, REAL_ROW_MS)
