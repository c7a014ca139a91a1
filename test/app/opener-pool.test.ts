import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { type CurvesBackend, loadCurves } from '../../src/app/curves.ts'
import { OpenerPool, openerThreads } from '../../src/app/opener-pool.ts'
import { setupOf } from '../../src/app/opener-thread.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import type { Opened } from '../../src/engine/inbox/opener.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { ConversationKeyCache } from '../../src/wire/nip44.ts'
import { type Recipient, wrapForNode } from '../../src/wire/transport.ts'

const secretKey = new Uint8Array(randomBytes(32))
const newNode = (): Recipient => ({
  secretKey,
  pubkey: portableCurves.publicKey(secretKey),
  curves: portableCurves,
  keys: new ConversationKeyCache(),
})

function letter(requestId: bigint, transport: 1 | 2): NostrEvent {
  return wrapForNode({
    transport,
    message: {
      outer: 'order',
      version: 2,
      requestId,
      tradeIndex: null,
      id: null,
      action: 'orders',
      payload: { kind: 'ids', ids: [] },
    },
    tradeSecretKey: new Uint8Array(randomBytes(32)),
    identitySecretKey: null,
    nodePubkey: newNode().pubkey,
    createdAtS: 1_700_000_000,
    pow: 0,
    random: (bytes) => new Uint8Array(randomBytes(bytes)),
  })
}

/** Threads can not load the sources by themselves: these are taught to. */
const startFromSources = (node: Recipient, backend: CurvesBackend = 'native'): Worker => {
  const source = new URL('../../src/app/opener-thread.ts', import.meta.url).href
  const program = `import('tsx/esm/api').then(({ register }) => { register(); return import('${source}') })`
  return new Worker(program, { eval: true, workerData: setupOf(node, backend) })
}

const pools: OpenerPool[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

function newPool(node: Recipient, threads: number, start: (node: Recipient) => Worker = startFromSources) {
  const warnings: string[] = []
  const say = () => undefined
  const log = {
    debug: say,
    info: say,
    error: say,
    warn: (event: string, fields?: unknown) => warnings.push(`${event}: ${JSON.stringify(fields)}`),
  }
  const pool = new OpenerPool(node, threads, log, () => start(node))
  pools.push(pool)
  return { pool, warnings }
}

const requestOf = (opened: Opened): bigint | null => (opened.ok ? opened.value.message.requestId : null)

describe('the pool that opens messages', () => {
  it.each([
    ['one with native curves', 'auto', 'native', 8, 1],
    ['none with native curves on a single core', 'auto', 'native', 1, 0],
    ['one for each core with portable curves', 'auto', 'portable', 3, 3],
    ['at most four of them', 'auto', 'portable', 8, 4],
    ['none on a single core', 'auto', 'portable', 1, 0],
    ['as many as the operator wants, whatever the curves', 2, 'native', 1, 2],
    ['none when the operator wants none', 0, 'portable', 8, 0],
  ] as const)('has %s', (_what, choice, backend, cores, threads) => {
    expect(openerThreads(choice, backend, { cores, fromSources: false })).toBe(threads)
    expect(openerThreads(choice, backend, { cores, fromSources: true })).toBe(0)
  })

  it.each([0, 1, 3])('answers in the order of arrival, with %d threads', async (threads) => {
    const { pool, warnings } = newPool(newNode(), threads)
    const letters = Array.from({ length: 12 }, (_, n) => letter(BigInt(n), n % 3 === 0 ? 1 : 2))
    const order: (bigint | null)[] = []
    await Promise.all(letters.map((event) => pool.open(event).then((opened) => order.push(requestOf(opened)))))
    expect(order).toEqual(letters.map((_, n) => BigInt(n)))
    expect(warnings).toEqual([])
  })

  it('learns the conversation keys that its threads derived', async () => {
    const node = newNode()
    const { pool } = newPool(node, 1)
    await pool.open(letter(1n, 2))
    expect(node.keys.size).toBe(1)
  })

  it.each(['native', 'portable'] as const)('opens in a thread with the %s curves', async (backend) => {
    const node = newNode()
    const { pool, warnings } = newPool(node, 1, () => startFromSources(node, backend))
    expect(requestOf(await pool.open(letter(7n, 2)))).toBe(7n)
    expect(node.keys.size).toBe(1)
    expect(warnings).toEqual([])
  })

  it('opens a lone message here with native curves, and sends the others of its turn to a thread', async () => {
    const node: Recipient = { ...newNode(), curves: loadCurves('native').curves }
    const posted: unknown[] = []
    let started = 0
    const { pool, warnings } = newPool(node, 1, () => {
      started += 1
      const worker = startFromSources(node)
      const post = worker.postMessage.bind(worker)
      worker.postMessage = (parcel: unknown) => {
        posted.push(parcel)
        post(parcel)
      }
      return worker
    })
    expect(requestOf(await pool.open(letter(1n, 2)))).toBe(1n)
    expect({ posted, started }).toEqual({ posted: [], started: 0 })
    await new Promise((resolve) => setImmediate(resolve))
    const letters = [2n, 3n, 4n].map((id) => letter(id, 2))
    const opened = await Promise.all(letters.map((event) => pool.open(event)))
    expect(opened.map(requestOf)).toEqual([2n, 3n, 4n])
    expect({ posted, started }).toEqual({ posted: [letters.slice(1)], started: 1 })
    expect(warnings).toEqual([])
  })

  it('tells a forged event from one that holds nothing for us', async () => {
    const { pool } = newPool(newNode(), 1)
    const event = letter(1n, 2)
    const forged = { ...event, sig: event.sig.replaceAll('a', 'b') }
    expect(await pool.open(forged)).toMatchObject({ ok: false, error: { stage: 'event' } })
    expect((await pool.open(event)).ok).toBe(true)
  })

  it('opens by itself what a dead thread leaves behind', async () => {
    const die = () =>
      new Worker(`require('node:worker_threads').parentPort.once('message', () => process.exit(1))`, { eval: true })
    const { pool, warnings } = newPool(newNode(), 2, die)
    const opened = await Promise.all([1n, 2n, 3n, 4n].map((id) => pool.open(letter(id, 2))))
    expect(opened.map(requestOf)).toEqual([1n, 2n, 3n, 4n])
    expect(warnings).toHaveLength(2)
    expect(requestOf(await pool.open(letter(5n, 2)))).toBe(5n)
  })
})
