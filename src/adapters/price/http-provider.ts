import { err, ok, type Result } from '../../core/result.ts'
import type { PricePoll, PriceProvider, Quotes } from '../../ports/prices.ts'
import { getJson } from './http-json.ts'
import { member, readQuotes } from './read-quotes.ts'

export type HttpProviderId = 'yadio' | 'coingecko' | 'currency_api' | 'blockchain'

/** `price.providers.ID` of the configuration, as far as HTTP sources go. */
export type HttpProviderOptions = {
  readonly id: HttpProviderId
  /** base address, http or https */
  readonly url: string
  /** mirrors, asked in this order when the ones before gave no quotes */
  readonly fallbackUrls?: readonly string[]
  /** CoinGecko only; raises its rate limit */
  readonly apiKey?: string
  /** for each address asked */
  readonly timeoutMs: number
}

/** Asked for by name, because CoinGecko has no word for "all"; unknown codes are left out of its answer. */
const COINGECKO_CURRENCIES = [
  'usd eur gbp jpy ars aud bdt bhd bmd brl cad chf clp cny czk dkk gel hkd huf idr ils inr krw kwd lkr mmk mxn myr ngn nok',
  'nzd php pkr pln rub sar sek sgd thb try twd uah vnd zar',
].flatMap((line) => line.split(' '))

/** How each source is asked and where the prices lie in its answer (trade.md 3.3). */
const DIALECTS: Record<HttpProviderId, { readonly path: string; readonly read: (body: unknown) => Quotes }> = {
  yadio: { path: '/exrates/BTC', read: (body) => readQuotes(member(body, 'BTC')) },
  coingecko: {
    path: `/simple/price?ids=bitcoin&vs_currencies=${COINGECKO_CURRENCIES.join(',')}`,
    read: (body) => readQuotes(member(body, 'bitcoin')),
  },
  currency_api: { path: '/currencies/btc.min.json', read: (body) => readQuotes(member(body, 'btc')) },
  blockchain: { path: '/ticker', read: (body) => readQuotes(body, (entry) => member(entry, 'last')) },
}

/** Keys of CoinGecko's two plans are valid at their own host and under their own header only. */
function apiKeyHeader(url: string, apiKey: string): Record<string, string> {
  const isPro = URL.canParse(url) && new URL(url).hostname.startsWith('pro-api.')
  return { [isPro ? 'x-cg-pro-api-key' : 'x-cg-demo-api-key']: apiKey }
}

/** A price source behind HTTP. One poll takes at most `timeoutMs` for every address that it knows. */
export class HttpPriceProvider implements PriceProvider {
  readonly id: HttpProviderId
  readonly lastResort = false
  readonly #options: HttpProviderOptions

  constructor(options: HttpProviderOptions) {
    this.id = options.id
    this.#options = options
  }

  async fetch(): Promise<Result<PricePoll, string>> {
    const failures: string[] = []
    for (const base of [this.#options.url, ...(this.#options.fallbackUrls ?? [])]) {
      const answer = await this.#ask(base)
      if (answer.ok) return answer
      failures.push(answer.error)
    }
    return err(failures.join('; '))
  }

  async #ask(base: string): Promise<Result<PricePoll, string>> {
    const { path, read } = DIALECTS[this.id]
    const { apiKey, timeoutMs } = this.#options
    const headers = this.id === 'coingecko' && apiKey !== undefined ? apiKeyHeader(base, apiKey) : {}
    const body = await getJson({ url: base.replace(/\/+$/, '') + path, headers, timeoutMs })
    if (!body.ok) return body
    const quotes = read(body.value)
    return quotes.size > 0 ? ok({ quotes, observedAtS: null }) : err(`${base}: no quotes in the answer`)
  }
}
