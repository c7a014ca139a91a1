/** NIP-42 from the relay's side. */

import { normalizeRelayUrl } from '../../adapters/nostr/relay-url.ts'
import type { NostrEvent } from '../../core/protocol.ts'

export type AuthRule = {
  /** a REQ needs a proved key */
  readonly toRead: boolean
  /** an EVENT needs a proved key */
  readonly toWrite: boolean
  /** which keys may enter; all when absent */
  readonly isAllowed?: (pubkey: string) => boolean
}

const KIND = 22_242
const MAX_AGE_S = 600

/** Why a verified AUTH event proves nothing here; null when it does. */
export function refusalOf(
  event: NostrEvent,
  asked: { readonly rule: AuthRule | null; readonly challenge: string; readonly address: string },
  nowS: number,
): string | null {
  const tagOf = (name: string): string => event.tags.find(([tag]) => tag === name)?.[1] ?? ''
  if (event.kind !== KIND) return 'invalid: wrong kind'
  if (Math.abs(event.created_at - nowS) > MAX_AGE_S) return 'invalid: created_at too far from now'
  if (tagOf('challenge') !== asked.challenge) return 'invalid: wrong challenge'
  const relay = normalizeRelayUrl(tagOf('relay'))
  const address = normalizeRelayUrl(asked.address)
  if (!relay.ok || !address.ok || relay.value !== address.value) return 'invalid: wrong relay'
  return asked.rule?.isAllowed?.(event.pubkey) === false ? 'restricted: not on the list' : null
}
