import { HttpPriceProvider } from '../adapters/price/http-provider.ts'
import { NostrPriceProvider } from '../adapters/price/nostr-provider.ts'
import type { PriceProvider } from '../ports/prices.ts'
import type { Relays } from '../ports/relays.ts'
import type { Clock } from '../ports/system.ts'
import type { Curves } from '../wire/curves.ts'
import { verifyEvent } from '../wire/event.ts'
import type { PriceSettings } from './config/load.ts'
import { readPublicKey } from './keys.ts'

/** A source, and the currencies that it is asked about. */
export type PriceSource = {
  readonly provider: PriceProvider
  readonly only?: readonly string[]
  readonly except?: readonly string[]
}

/** The enabled sources of the configuration. */
export function priceSources(
  settings: PriceSettings,
  around: { readonly clock: Clock; readonly relays: Relays; readonly curves: Curves },
): PriceSource[] {
  const timeoutMs = settings.provider_timeout_seconds * 1000
  const http = (['yadio', 'coingecko', 'currency_api', 'blockchain'] as const).flatMap((id) => {
    const { enabled, url, fallback_urls: fallbackUrls, api_key: apiKey, ...filter } = settings.providers[id]
    if (!enabled) return []
    const key = apiKey === undefined ? {} : { apiKey }
    return [source(new HttpPriceProvider({ id, url, fallbackUrls, timeoutMs, ...key }), filter)]
  })
  const { enabled, trusted_nodes: trusted, ...filter } = settings.providers.nostr
  if (!enabled) return http
  const { clock, relays, curves } = around
  const nostr = new NostrPriceProvider({
    trustedPubkeys: trusted.flatMap((key) => readPublicKey(key) ?? []),
    query: async (asked) => {
      const pages = await Promise.all(relays.connected().map((url) => relays.page(url, asked, timeoutMs)))
      return pages.flatMap(({ events }) => events)
    },
    verify: (event) => verifyEvent(event, curves),
    clock,
    maxAgeS: settings.max_price_staleness_seconds,
    timeoutMs,
  })
  return [...http, source(nostr, filter)]
}

function source(
  provider: PriceProvider,
  { only, except }: { readonly only?: readonly string[] | undefined; readonly except?: readonly string[] | undefined },
): PriceSource {
  return { provider, ...(only === undefined ? {} : { only }), ...(except === undefined ? {} : { except }) }
}
