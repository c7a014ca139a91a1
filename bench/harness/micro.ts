/** What the curves cost on this machine in this minute: without it, no absolute figure means anything. */
import { portableCurves } from '../../src/wire/curves.ts'
import { newKey } from './requests.ts'
import { median } from './statistics.ts'

const TIMES = 30

/** Milliseconds for one operation each; medians. */
export type CurveCosts = { readonly verify: number; readonly sign: number; readonly ecdh: number }

export function measureCurves(): CurveCosts {
  const { secretKey, pubkey } = newKey()
  const peer = newKey()
  const digest = new Uint8Array(32)
  const signature = portableCurves.sign(digest, secretKey, digest)
  return {
    verify: timed(() => portableCurves.verify(signature, digest, pubkey)),
    sign: timed(() => portableCurves.sign(digest, secretKey, digest)),
    ecdh: timed(() => portableCurves.ecdhX(secretKey, peer.pubkey)),
  }
}

function timed(work: () => unknown): number {
  const samples = Array.from({ length: TIMES }, () => {
    const startMs = performance.now()
    work()
    return performance.now() - startMs
  })
  return median(samples)
}
