import { randomBytes } from 'node:crypto'
import type { Random } from '../../ports/system.ts'

/** The operating system's secure source. */
export const systemRandom: Random = { bytes: (n) => new Uint8Array(randomBytes(n)) }
