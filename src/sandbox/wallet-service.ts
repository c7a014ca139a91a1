/** The traders' wallets of a sandbox over HTTP on loopback, and how another terminal asks for them. */
import { request } from 'undici'
import { z } from 'zod'
import { msat } from '../core/money.ts'
import { err, ok, type Result } from '../core/result.ts'
import { type JsonServer, serveJson } from './http-json.ts'
import type { SimNetwork } from './lightning/control.ts'

const amountMsat = z.int().min(1).max(Number.MAX_SAFE_INTEGER)
const wallet = z.string().min(1).max(64)

const WALLET_REQUEST = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('balances') }),
  z.strictObject({ do: z.literal('invoice'), wallet, amountMsat: amountMsat.nullable(), memo: z.string().max(500) }),
  z.strictObject({ do: z.literal('pay'), wallet, invoice: z.string().max(8192), amountMsat: amountMsat.nullable() }),
  z.strictObject({ do: z.literal('mine'), blocks: z.int().min(1).max(1000) }),
])
export type WalletRequest = z.infer<typeof WALLET_REQUEST>

const WALLET_ANSWER = z.discriminatedUnion('done', [
  z.object({
    done: z.literal('balances'),
    wallets: z.array(z.object({ name: z.string(), balanceMsat: z.number(), address: z.string() })),
  }),
  z.object({ done: z.literal('invoice'), invoice: z.string() }),
  z.object({ done: z.literal('held') }),
  z.object({ done: z.literal('paid'), feeMsat: z.number() }),
  z.object({ done: z.literal('not-paid'), reason: z.string() }),
  z.object({ done: z.literal('mined'), height: z.number() }),
])
export type WalletAnswer = z.infer<typeof WALLET_ANSWER>

/** Serves the wallets. Repeat of a request: as safe as the wallet is, an invoice is paid once. */
export function startWalletService(
  network: SimNetwork,
  addressOf: (name: string) => string,
  port: number,
): Promise<JsonServer> {
  return serveJson(port, async (method, path, body) => {
    if (method !== 'POST' || path !== '/wallet') return { status: 404, body: { error: 'there is only POST /wallet' } }
    const asked = WALLET_REQUEST.safeParse(body)
    if (!asked.success) return { status: 400, body: { error: z.prettifyError(asked.error) } }
    if ('wallet' in asked.data && !network.walletNames().includes(asked.data.wallet))
      return {
        status: 404,
        body: { error: `no wallet ${asked.data.wallet}; there are ${network.walletNames().join(', ')}` },
      }
    return { status: 200, body: await act(network, addressOf, asked.data) }
  })
}

async function act(
  network: SimNetwork,
  addressOf: (name: string) => string,
  asked: WalletRequest,
): Promise<WalletAnswer> {
  switch (asked.do) {
    case 'balances':
      return {
        done: 'balances',
        wallets: network.walletNames().map((name) => ({
          name,
          balanceMsat: network.wallet(name).balanceMsat(),
          address: addressOf(name),
        })),
      }
    case 'invoice': {
      const amount = asked.amountMsat === null ? null : msat(asked.amountMsat)
      return {
        done: 'invoice',
        invoice: network.wallet(asked.wallet).invoice({ amountMsat: amount, memo: asked.memo }),
      }
    }
    case 'pay': {
      const options = asked.amountMsat === null ? {} : { amountMsat: msat(asked.amountMsat) }
      const started = await network.wallet(asked.wallet).startPayment(asked.invoice, options)
      // A hold invoice: who pays it does not wait until the trade ends.
      if (started.held) return { done: 'held' }
      const end = await started.end
      return end.ok ? { done: 'paid', feeMsat: end.feeMsat } : { done: 'not-paid', reason: end.reason }
    }
    case 'mine':
      network.mine(asked.blocks)
      return { done: 'mined', height: network.height() }
  }
}

/** Asks a sandbox that runs on this machine; the error says what is wrong. */
export async function askWallets(url: string, asked: WalletRequest): Promise<Result<WalletAnswer, string>> {
  try {
    const response = await request(`${url}/wallet`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
      headersTimeout: 90_000,
    })
    const body: unknown = await response.body.json()
    if (response.statusCode === 200) return ok(WALLET_ANSWER.parse(body))
    const refusal = z.object({ error: z.string() }).safeParse(body)
    return err(refusal.success ? refusal.data.error : `status ${response.statusCode}`)
  } catch (error) {
    return err(`no sandbox answers at ${url}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
