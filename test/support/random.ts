import type { Random } from '../../src/ports/system.ts'

/** Bytes that a seed decides (xorshift32); the same seed gives the same run. Not for keys of anyone. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 0x9e3779b9
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state & 0xff
  }
  return { bytes: (n) => Uint8Array.from({ length: n }, next) }
}
