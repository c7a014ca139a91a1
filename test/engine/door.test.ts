import { afterEach, describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { Door, type DoorOptions, type Job, type Tx } from '../../src/engine/door.ts'
import { WatchedClock } from '../../src/engine/watched-clock.ts'
import { TestClock } from '../support/clock.ts'

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const stores: Store[] = []
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
})

/** A door to an empty store, and the jobs of each commit that it makes. */
function newDoor(options: DoorOptions = {}) {
  const store = openStore(':memory:')
  stores.push(store)
  const commits: (readonly string[])[] = []
  const clock = new WatchedClock(new TestClock(1_780_000_000_000), () => undefined)
  const door = new Door(store, clock, SILENT, {
    ...options,
    hooks: { afterCommit: (names) => void commits.push(names) },
  })
  const notes = () => store.all<{ key: string; value: string }>('SELECT key, value FROM meta ORDER BY key')
  return { door, commits, notes }
}

/** A job that leaves a note. */
const note = (name: string): Job<void> => ({
  name,
  run: (tx) => void tx.s.meta_put({ key: name, value: String(tx.nowS) }),
})

/** A job that leaves a note and then throws. */
const failing = (name: string): Job<void> => ({
  name,
  run(tx: Tx) {
    note(name).run(tx)
    throw new Error('no good')
  },
})

describe('The door to the store', () => {
  test('commits together what is handed in at once', async () => {
    const { door, commits, notes } = newDoor()
    await Promise.all([door.submit(note('a')), door.submit(note('b')), door.submit(note('c'))])
    expect(commits).toEqual([['a', 'b', 'c']])
    expect(notes().map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  })

  test('commits together what arrives within one turn of the event loop, when it is told to wait for that', async () => {
    const { door, commits } = newDoor({ defer: setImmediate })
    // Two messages from two sockets: each has its own callback, with microtasks between them.
    const arrivals = ['a', 'b'].map(
      (name) =>
        new Promise<void>((resolve, reject) => process.nextTick(() => door.submit(note(name)).then(resolve, reject))),
    )
    await Promise.resolve()
    expect(commits).toEqual([])
    await Promise.all(arrivals)
    expect(commits).toEqual([['a', 'b']])
  })

  test('commits nothing before the turn that it waits for', async () => {
    const turns: (() => void)[] = []
    const { door, commits } = newDoor({ defer: (task) => void turns.push(task) })
    const done = Promise.all([door.submit(note('a')), door.submit(note('b'))])
    await new Promise(setImmediate)
    expect(commits).toEqual([])
    expect(turns).toHaveLength(1)
    turns.shift()?.()
    await done
    expect(commits).toEqual([['a', 'b']])
  })

  test('makes no more of a group than 64 jobs, and the next at once', async () => {
    const { door, commits } = newDoor()
    await Promise.all(Array.from({ length: 100 }, (_, n) => door.submit(note(`${n}`))))
    expect(commits.map((names) => names.length)).toEqual([64, 36])
  })

  test('gives each job its own commit when it is told to, in their order', async () => {
    const { door, commits } = newDoor({ commits: 'each' })
    await Promise.all([door.submit(note('a')), door.submit(note('b')), door.submit(note('c'))])
    expect(commits).toEqual([['a'], ['b'], ['c']])
  })

  test.each(['grouped', 'each'] as const)('undoes a job that fails and none of its neighbours (%s)', async (mode) => {
    const { door, notes } = newDoor({ commits: mode })
    const outcomes = await Promise.allSettled([
      door.submit(note('a')),
      door.submit(failing('b')),
      door.submit({ ...failing('c'), failed: note('what is left of c').run }),
      door.submit(note('d')),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(notes().map(({ key }) => key)).toEqual(['a', 'd', 'what is left of c'])
  })

  test('leaves the same rows, grouped or not', async () => {
    const rows = await Promise.all(
      (['grouped', 'each'] as const).map(async (mode) => {
        const { door, notes } = newDoor({ commits: mode })
        const jobs = Array.from(
          { length: 200 },
          (_, n): Job<void> => (n % 7 === 3 ? failing(`${n}`) : note(`${n % 50}`)),
        )
        await Promise.allSettled(jobs.map((job) => door.submit(job)))
        return notes()
      }),
    )
    expect(rows[0]).toEqual(rows[1])
    expect(rows[0]).toHaveLength(50)
  })
})
