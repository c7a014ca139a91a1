/**
 * A thread that opens events. This file is both ends: imported, it starts threads; run as a thread, it serves. So it is
 * found in the sources and in the package alike.
 */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import type { NostrEvent } from '../core/protocol.ts'
import { type Opened, openHere } from '../engine/inbox/opener.ts'
import { ConversationKeyCache } from '../wire/nip44.ts'
import type { Recipient } from '../wire/transport.ts'
import { type CurvesBackend, loadCurves } from './curves.ts'

const ROLE = 'fianza-opener'
const PIECE = 8

type Setup = {
  readonly role: typeof ROLE
  readonly secretKey: Uint8Array
  readonly pubkey: string
  readonly backend: CurvesBackend
}
type OurKeys = Pick<Recipient, 'secretKey' | 'pubkey'>

export type Answer = {
  readonly opened: Opened
  /** of us and the author of a direct message: what the reply needs too */
  readonly conversationKey: Uint8Array | null
}

/** Starts a thread that answers each parcel of events with as many {@link Answer}s, in order. It dies without the backend. */
export function startOpenerThread(node: OurKeys, backend: CurvesBackend): Worker {
  return new Worker(new URL(import.meta.url), { workerData: setupOf(node, backend) })
}

/** What a thread for our key is started with. Holds the secret: it stays in this process. */
export const setupOf = ({ secretKey, pubkey }: OurKeys, backend: CurvesBackend): Setup => ({
  role: ROLE,
  secretKey,
  pubkey,
  backend,
})

function serve({ secretKey, pubkey, backend }: Setup, port: NonNullable<typeof parentPort>): void {
  const { curves } = loadCurves(backend)
  const node: Recipient = { secretKey, pubkey, curves, keys: new ConversationKeyCache() }
  const answerTo = (event: NostrEvent): Answer => {
    const opened = openHere(event, node)
    const isDirect = opened.ok && opened.value.transport === 2
    return { opened, conversationKey: isDirect ? node.keys.of(node, opened.value.sender) : null }
  }
  // Long parcels are answered in pieces: whoever waits for the first message does not wait for the last.
  port.on('message', (parcel: readonly NostrEvent[]) => {
    for (let n = 0; n < parcel.length; n += PIECE) port.postMessage(parcel.slice(n, n + PIECE).map(answerTo))
  })
}

const setup: unknown = workerData
if (parentPort !== null && typeof setup === 'object' && setup !== null && 'role' in setup && setup.role === ROLE)
  serve(setup as Setup, parentPort)
