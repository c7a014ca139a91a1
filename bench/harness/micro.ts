/** What single steps cost on this machine in this minute: without them, no absolute figure means anything. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type WebSocket, WebSocketServer } from 'ws'
import { openStore } from '../../src/adapters/sqlite/store.ts'
import { type Curves, portableCurves } from '../../src/wire/curves.ts'
import { eventId } from '../../src/wire/event.ts'
import { conversationKey, decrypt, encrypt } from '../../src/wire/nip44.ts'
import { RelayClient } from './relay-client.ts'
import { newKey, RequestMaker } from './requests.ts'
import { median } from './statistics.ts'

const TIMES = 30
const BATCH = 64
const BATCHES = 12
const FRAMES = 4000

/** Milliseconds for one operation each; medians. */
export type CurveCosts = { readonly verify: number; readonly sign: number; readonly ecdh: number }

export function measureCurves(curves: Curves = portableCurves): CurveCosts {
  const { secretKey } = newKey()
  const pubkey = curves.publicKey(secretKey)
  const peer = newKey()
  const digest = new Uint8Array(32)
  const signature = curves.sign(digest, secretKey, digest)
  return {
    verify: timed(() => curves.verify(signature, digest, pubkey)),
    sign: timed(() => curves.sign(digest, secretKey, digest)),
    ecdh: timed(() => curves.ecdhX(secretKey, peer.pubkey)),
  }
}

/** Milliseconds for the other steps of a message; medians. */
export type StepCosts = {
  readonly decrypt: number
  readonly encrypt: number
  readonly id: number
  /** reading an event from its text */
  readonly read: number
  /** one message in a commit of 64, fsync included */
  readonly store: number
  /** one frame in or out */
  readonly frame: number
}

export async function measureSteps(curves: Curves): Promise<StepCosts> {
  const trader = newKey()
  const node = newKey()
  const key = conversationKey(curves, trader.secretKey, node.pubkey)
  const { frame } = new RequestMaker(node.pubkey).newOrder(trader, 'sell', newKey())
  const [, event] = JSON.parse(frame)
  const text = 'x'.repeat(700)
  const sealed = encrypt(text, key, new Uint8Array(32))
  return {
    decrypt: timed(() => decrypt(sealed, key)),
    encrypt: timed(() => encrypt(text, key, new Uint8Array(32))),
    id: timed(() => eventId(event, trader.pubkey)),
    read: timed(() => JSON.parse(frame)),
    store: measureStore(),
    frame: await measureFrames(frame),
  }
}

/** What a take writes, with nothing decided: inbox, order, two replies, one public event. */
function measureStore(): number {
  const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-'))
  const store = openStore(join(dir, 'micro.db'))
  const now = 1_700_000_000
  const one = (): void => {
    const id = randomBytes(16).toString('hex')
    const maker = randomBytes(32).toString('hex')
    const { s } = store
    s.inbox_take({ outer: id, inner: id, sender: maker, verdict: 'effect', now })
    store.insertOrder({
      id,
      kind: 'sell',
      status: 'pending',
      maker_pubkey: maker,
      maker_identity: maker,
      fiat_code: 'USD',
      payment_method: 'bank transfer',
      price_from_api: 0,
      created_at: now,
      expires_at: now,
    })
    for (const n of [0, 1]) {
      const reply = { r: maker, cause: id, n, order_id: id, oid: null, lane: 0, asks: 0, transport: 2 } as const
      const { n: seq } = s.outbox_seq({ r: maker, now })
      s.outbox_put({ ...reply, seq, ev_at: now, body: 'x'.repeat(500), now })
    }
    s.pub_want({ coord: id, body: 'x'.repeat(600), now, refresh_at: null })
  }
  const batch = (): void => {
    for (let n = 0; n < BATCH; n++) one()
  }
  const samples = Array.from({ length: BATCHES }, () => stopwatch(() => store.transaction(batch)) / BATCH)
  store.close()
  rmSync(dir, { recursive: true })
  return median(samples)
}

/** A frame costs its sender and its reader about the same; both are this process. */
async function measureFrames(frame: string): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await new Promise<void>((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let arrived = 0
  server.on('connection', (socket: WebSocket) => socket.on('message', () => void arrived++))
  const client = await RelayClient.connect(`ws://127.0.0.1:${port}`, () => null)
  const before = process.cpuUsage()
  for (let n = 0; n < FRAMES; n++) client.send(frame)
  await client.until(
    () => arrived === FRAMES,
    () => 'frames arrive',
    10_000,
  )
  const { user, system } = process.cpuUsage(before)
  client.close()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return (user + system) / 1000 / FRAMES / 2
}

function stopwatch(work: () => unknown): number {
  const startMs = performance.now()
  work()
  return performance.now() - startMs
}

function timed(work: () => unknown): number {
  for (let n = 0; n < TIMES; n++) work()
  return median(Array.from({ length: TIMES }, () => stopwatch(work)))
}
