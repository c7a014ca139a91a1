/** A few known answers that a backend must give before it is trusted with keys; all of them together take a millisecond. */
import type { Curves } from './curves.ts'
import { bytesToHex, hexToBytes } from './hex.ts'

/** Vector 1 of BIP-340. */
const SECRET_KEY = hexToBytes('b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef')
const PUBLIC_KEY = 'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659'
const AUX = hexToBytes('0000000000000000000000000000000000000000000000000000000000000001')
const DIGEST = hexToBytes('243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89')
const SIGNATURE = hexToBytes(
  '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a',
)
/** Vectors 5 and 8 of BIP-340: a key that is not on the curve, and the s of a signature negated. */
const OFF_CURVE = 'eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34'
const WRONG_S = hexToBytes(
  '6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769961764b3aa9b2ffcb6ef947b6887a226e8d7c93e00c5ed0c1834ff0d0c2e6da6',
)
/** Keys of Mostro's chat, and the secret that they share. */
const ALICE = hexToBytes('548f68890c49fa42f104c60352395e60ff030b0b407e955f1eed1400d6c0347a')
const BOB = '000009ae5cff9f6ba9b05159ec5ed58c187f5882ea77c81ed5dd19163272a5d7'
const SHARED = 'def6633a53d07d1e829484c4d4bdbbeed2f4b14c21743e63871c174338e39475'
/** The first example of BOLT 11: signature, digest, recovery id, and the node that signed. */
const INVOICE_SIGNATURE = hexToBytes(
  '8d3ce9e28357337f62da0162d9454df827f83cfe499aeb1c1db349d4d81127425e434ca29929406c23bba1ae8ac6ca32880b38d4bf6ff874024cac34ba9625f1',
)
const INVOICE_DIGEST = hexToBytes('6daf4d488be41ce7cbb487cab1ef2975e5efcea879b20d421f0ef86b07cbb987')
const INVOICE_RECOVERY = 1
const INVOICE_PAYEE = '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad'

const CHECKS: Readonly<Record<string, (curves: Curves) => boolean>> = {
  'a public key': (curves) => curves.publicKey(SECRET_KEY) === PUBLIC_KEY,
  'a signature': (curves) => bytesToHex(curves.sign(DIGEST, SECRET_KEY, AUX)) === bytesToHex(SIGNATURE),
  'a signature that holds': (curves) => curves.verify(SIGNATURE, DIGEST, PUBLIC_KEY),
  'a signature that does not hold': (curves) => !curves.verify(WRONG_S, DIGEST, PUBLIC_KEY),
  'a key that is not on the curve': (curves) => !curves.verify(SIGNATURE, DIGEST, OFF_CURVE),
  'a shared secret': (curves) => bytesToHex(curves.ecdhX(ALICE, BOB)) === SHARED,
  'the payee of an invoice': (curves) =>
    curves.recover(INVOICE_SIGNATURE, INVOICE_DIGEST, INVOICE_RECOVERY) === INVOICE_PAYEE,
}

/** What a backend gets wrong first; null when it gets all right. Changes nothing, so a repeat is safe. */
export function wrongAnswerOf(curves: Curves): string | null {
  for (const [what, isRight] of Object.entries(CHECKS)) {
    try {
      if (!isRight(curves)) return what
    } catch (error) {
      return `${what}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return null
}
