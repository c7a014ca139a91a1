import { type JsonServer, serveJson } from './http-json.ts'

/** Fiat units for one bitcoin in the sandbox. They never change, so that every run trades at the same price. */
export const SANDBOX_PRICES = {
  USD: 50_000,
  EUR: 40_000,
  ARS: 50_000_000,
  CUP: 20_000_000,
} as const

/** A price source that speaks like yadio and knows {@link SANDBOX_PRICES}. */
export function startPriceServer(): Promise<JsonServer> {
  return serveJson(0, (method, path) =>
    method === 'GET' && path === '/exrates/BTC'
      ? { status: 200, body: { BTC: SANDBOX_PRICES } }
      : { status: 404, body: { error: 'there is only /exrates/BTC' } },
  )
}
