/** NIP-19 for public keys. */
import { bech32 } from '@scure/base'

/** A key as people write it. */
export function nip19Npub(pubkeyHex: string): string {
  return bech32.encode('npub', bech32.toWords(Buffer.from(pubkeyHex, 'hex')), 90)
}
