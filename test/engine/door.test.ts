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
  const virtual = new TestClock(1_780_000_000_000)
  const clock = new WatchedClock(virtual, () => undefined)
  const door = new Door(store, clock, SILENT, {
    ...options,
    hooks: { afterCommit: (names) => void commits.push(names) },
  })
  const notes = () => store.all<{ key: string; value: string }>('SELECT key, value FROM meta ORDER BY key')
  return { door, store, commits, notes, clock: virtual }
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

  test('lets a job that nobody waits for share the commit of one that somebody does', async () => {
    const { door, commits, clock } = newDoor()
    const lazy = door.submit({ ...note('lazy'), lazy: true })
    await clock.advance(3)
    expect(commits).toEqual([])
    await Promise.all([door.submit(note('a')), lazy])
    expect(commits).toEqual([['lazy', 'a']])
    await clock.advance(1000)
    expect(commits).toHaveLength(1)
  })

  test('commits it a little later when there is no other', async () => {
    const { door, commits, clock } = newDoor()
    const both = [door.submit({ ...note('a'), lazy: true }), door.submit({ ...note('b'), lazy: true })]
    await clock.advance(5)
    await Promise.all(both)
    expect(commits).toEqual([['a', 'b']])
  })

  test('takes what Lightning waits for before messages, and some of what nobody waits for, when not all fit', async () => {
    const { door, commits, clock } = newDoor()
    const named = (count: number, name: string) => Array.from({ length: count }, (_, n) => note(`${name}${n}`))
    const jobs = [
      ...named(40, 'lazy').map((job) => ({ ...job, lazy: true })),
      ...named(70, 'message'),
      ...named(10, 'claim').map((job) => ({ ...job, early: true })),
    ]
    const all = Promise.all(jobs.map((job) => door.submit(job)))
    await clock.advance(1000)
    await all
    const counted = commits.map((names) => {
      const count = (name: string) => names.filter((each) => each.startsWith(name)).length
      return [count('claim'), count('message'), count('lazy')]
    })
    expect(counted).toEqual([
      [10, 38, 16],
      [0, 32, 24],
    ])
    const inOrder = (name: string) => jobs.map((job) => job.name).filter((each) => each.startsWith(name))
    for (const name of ['lazy', 'message', 'claim'])
      expect(commits.flat().filter((each) => each.startsWith(name))).toEqual(inOrder(name))
  })

  test('knows for how long nobody has waited', async () => {
    const { door, clock } = newDoor()
    expect(door.quietMs).toBe(Number.POSITIVE_INFINITY)
    await door.submit(note('a'))
    await clock.advance(40)
    door.submit({ ...note('b'), lazy: true }).catch(() => undefined)
    expect(door.quietMs).toBe(40)
  })

  test.each([
    ['twice as long as its last commit took', 3, 6],
    ['10 ms at most', 500, 10],
  ])('rests %s, so that what comes under load shares a commit', async (_, tookMs, restMs) => {
    const { door, store, commits, clock } = newDoor()
    const transaction = store.transaction.bind(store)
    store.transaction = (work) => {
      const done = transaction(work)
      clock.blockFor(tookMs)
      return done
    }
    await door.submit(note('a'))
    const both = [door.submit(note('b'))]
    await clock.advance(restMs - 1)
    both.push(door.submit(note('c')))
    expect(commits).toEqual([['a']])
    await clock.advance(1)
    await Promise.all(both)
    expect(commits).toEqual([['a'], ['b', 'c']])
    await clock.advance(restMs)
    await door.submit(note('d'))
    expect(commits).toHaveLength(3)
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
