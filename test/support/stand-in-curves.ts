/**
 * Hashes in place of curve arithmetic: thousands of times faster and with no security at all. Everything above the
 * curve behaves as with real keys: signatures hold for one key and digest, and both ends derive the same shared secret.
 */
import { loadCurves } from '../../src/app/curves.ts'
import type { Curves } from '../../src/wire/curves.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'

const publicKey = (secretKey: Uint8Array): string => bytesToHex(sha256(`public:${bytesToHex(secretKey)}`))

const signature = (digest: Uint8Array, pubkey: string): string => {
  const half = bytesToHex(sha256(`${pubkey}:${bytesToHex(digest)}`))
  return half + half
}

export const standInCurves: Curves = {
  name: 'stand-in',
  publicKey,
  publicPoint: (secretKey) => hexToBytes(`02${publicKey(secretKey)}`),
  sign: (digest, secretKey) => hexToBytes(signature(digest, publicKey(secretKey))),
  verify: (given, digest, pubkey) => bytesToHex(given) === signature(digest, pubkey),
  ecdhX: (secretKey, pubkey) => sha256([publicKey(secretKey), pubkey].toSorted().join(':')),
  // Invoices are signed by Lightning nodes, which have real keys.
  recover: loadCurves('auto').curves.recover,
}
