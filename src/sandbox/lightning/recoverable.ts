/**
 * ECDSA signatures that give their key away: by libsecp256k1 where it loads, because two hundred invoices asked for at
 * once are no burst if each takes milliseconds; else by noble. Both give the same bytes (RFC 6979, low S).
 */
import { createRequire } from 'node:module'
import { sign } from '@noble/secp256k1'

/** Over a 32-byte digest: recovery first, then r and s. */
export type SignRecoverable = (digest: Uint8Array, secretKey: Uint8Array) => Uint8Array

type Binding = {
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
}

/** In JavaScript; needs the hashes of `@noble/secp256k1` to be set. */
export const portably: SignRecoverable = (digest, secretKey) =>
  sign(digest, secretKey, { prehash: false, format: 'recovered' })

function natively(): SignRecoverable | null {
  try {
    const { ecdsaSign } = createRequire(import.meta.url)('secp256k1/bindings.js') as Binding
    return (digest, secretKey) => {
      const { signature, recid } = ecdsaSign(digest, secretKey)
      return Uint8Array.of(recid, ...signature)
    }
  } catch {
    return null
  }
}

/** The faster of the two. */
export const signRecoverable: SignRecoverable = natively() ?? portably
