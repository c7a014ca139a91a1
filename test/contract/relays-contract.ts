/** What every implementation of the port `Relays` must do, whatever carries its frames. */
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NostrRelays } from '../../src/adapters/nostr/nostr-relays.ts'
import type { EventTemplate, NostrEvent } from '../../src/core/protocol.ts'
import type { Page, RelayFilter } from '../../src/ports/relays.ts'
import type { ControlledRelay } from '../../src/sandbox/relay/controlled-relay.ts'
import type { ConnectOptions, RelayWorld } from './relays-world.ts'

const TRADER_KEY = new Uint8Array(32).fill(7)
const NODE_KEY = new Uint8Array(32).fill(9)
const NODE = getPublicKey(NODE_KEY)
const LIVE: RelayFilter = { kinds: [14, 1059], '#p': [NODE], limit: 0 }
const HISTORY: RelayFilter = { kinds: [14, 1059], '#p': [NODE] }
const DEADLINE_MS = 5_000

const sign = (template: EventTemplate, key = TRADER_KEY): NostrEvent => {
  const tags = template.tags.map((tag) => [...tag])
  const { id, pubkey, created_at, kind, content, sig } = finalizeEvent({ ...template, tags }, key)
  return { id, pubkey, created_at, kind, tags, content, sig }
}

type Heard = { readonly event: NostrEvent; readonly url: string; readonly stored: boolean }

export function describeRelaysContract(name: string, makeWorld: () => RelayWorld): void {
  describe(`relays: ${name}`, () => {
    let world: RelayWorld

    beforeEach(() => {
      world = makeWorld()
    })
    afterEach(() => world.close())

    const nowS = (): number => Math.floor(world.clock.nowMs() / 1000)
    const message = (content: string, createdAtS = nowS()): NostrEvent =>
      sign({ kind: 14, created_at: createdAtS, tags: [['p', NODE]], content })

    /** Opens a party's relays and notes what it hears. */
    const open = (relays: readonly ControlledRelay[], options: ConnectOptions = {}, live = LIVE) => {
      const party = world.connect(relays, options)
      const heard: Heard[] = []
      const changes: string[] = []
      party.open(live, {
        onEvent: (event, { url, stored }) => heard.push({ event, url, stored }),
        onUp: () => changes.push('up'),
        onDown: (_url, why) => changes.push(`down: ${why}`),
      })
      return { party, heard, changes, texts: () => heard.map(({ event }) => event.content) }
    }
    const openUp = async (relays: readonly ControlledRelay[], options: ConnectOptions = {}, live = LIVE) => {
      const opened = open(relays, options, live)
      await world.until(() => opened.party.connected().length === relays.length, 'all relays are up')
      return opened
    }
    const page = (party: NostrRelays, relay: ControlledRelay, filter: RelayFilter, deadlineMs = DEADLINE_MS) =>
      world.settled(party.page(relay.url, filter, deadlineMs))
    const publish = (party: NostrRelays, relay: ControlledRelay, event: NostrEvent, deadlineMs = DEADLINE_MS) =>
      world.settled(party.publish(relay.url, event, deadlineMs))

    describe('listening', () => {
      it('hands on a message that is published while the node listens, as live', async () => {
        const relay = await world.relay()
        const { heard } = await openUp([relay])
        const event = message('hello')
        relay.core.inject(event)
        await world.until(() => heard.length === 1, 'the message arrives')
        expect(heard).toEqual([{ event, url: relay.url, stored: false }])
      })

      it('marks what came before EOSE as stored, and what follows as live', async () => {
        const relay = await world.relay()
        relay.core.inject(message('before', nowS() - 60))
        const { heard } = await openUp([relay], {}, HISTORY)
        relay.core.inject(message('after'))
        await world.until(() => heard.length === 2, 'both arrive')
        expect(heard.map(({ event, stored }) => [event.content, stored])).toEqual([
          ['before', true],
          ['after', false],
        ])
      })

      it('hears nothing old with a limit of zero, nor what is meant for others', async () => {
        const relay = await world.relay()
        relay.core.inject(message('old'))
        const { texts } = await openUp([relay])
        relay.core.inject(sign({ kind: 14, created_at: nowS(), tags: [['p', '0'.repeat(64)]], content: 'for others' }))
        relay.core.inject(message('new'))
        await world.until(() => texts().includes('new'), 'the new message arrives')
        expect(texts()).toEqual(['new'])
      })

      it('hands a message on once, however many relays send it and however often', async () => {
        const relays = [await world.relay(), await world.relay()]
        for (const relay of relays) relay.core.faults.onDelivery(() => [0, 0])
        const { party, texts } = await openUp(relays)
        const event = message('one')
        for (const relay of relays) relay.core.inject(event)
        for (const [index, relay] of relays.entries()) relay.core.inject(message(`marker ${index}`))
        await world.until(() => texts().includes('marker 0') && texts().includes('marker 1'), 'the markers arrive')
        expect(texts().filter((text) => text === 'one')).toEqual(['one'])
        const duplicates = [...party.stats().values()].map((stats) => stats.duplicates)
        expect(duplicates.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(3)
      })

      it('is not made deaf for a message by a relay that sent a forged body under its id and signature', async () => {
        const [liar, honest] = [await world.relay(), await world.relay()]
        const { party, heard } = await openUp([liar, honest])
        const event = message('true')
        liar.core.inject({ ...event, content: 'forged' })
        await world.until(() => party.stats().get(liar.url)?.forged === 1, 'the forgery is noticed')
        honest.core.inject(event)
        await world.until(() => heard.length > 0, 'the true message arrives')
        expect(heard).toEqual([{ event, url: honest.url, stored: false }])
      })

      it('drops what is not worth a look before it computes the id, and remembers nothing of it', async () => {
        const relays = [await world.relay(), await world.relay()] as const
        const party = world.connect(relays)
        const heard: string[] = []
        let isWorth = false
        party.open(LIVE, {
          isWorth: ({ content }) => isWorth || content !== 'cheap',
          onEvent: ({ content }) => heard.push(content),
          onUp: () => {},
          onDown: () => {},
        })
        await world.until(() => party.connected().length === relays.length, 'all relays are up')
        const cheap = message('cheap')
        relays[0].core.inject(cheap)
        relays[0].core.inject({ ...message('forged'), content: 'cheap' })
        relays[0].core.inject(message('dear'))
        await world.until(() => heard.length === 1, 'the other one arrives')
        expect(party.stats().get(relays[0].url)).toMatchObject({ delivered: 1, forged: 0, duplicates: 0 })
        isWorth = true
        relays[1].core.inject(cheap)
        await world.until(() => heard.length === 2, 'it arrives now')
        expect(heard).toEqual(['dear', 'cheap'])
      })

      it('is not made deaf for a message by a relay that sent it with a false signature', async () => {
        const [liar, honest] = [await world.relay(), await world.relay()]
        const { heard } = await openUp([liar, honest])
        const event = message('true')
        liar.core.inject({ ...event, sig: '0'.repeat(128) })
        await world.until(() => heard.length === 1, 'the false one arrives')
        honest.core.inject(event)
        await world.until(() => heard.some((one) => one.event.sig === event.sig), 'the true one arrives')
      })

      it('takes messages in whatever order a relay sends them', async () => {
        const relay = await world.relay()
        relay.core.faults.onDelivery(({ event }) => (event.content === 'first' ? [80] : null))
        const { texts } = await openUp([relay])
        relay.core.inject(message('first'))
        relay.core.inject(message('second'))
        await world.until(() => texts().length === 2, 'both arrive')
        expect(texts()).toEqual(['second', 'first'])
      })

      it('follows another filter when asked to, also after a reconnect', async () => {
        const relay = await world.relay()
        const { party, texts } = await openUp([relay])
        const other = '1'.repeat(64)
        const toOther = (content: string) => sign({ kind: 14, created_at: nowS(), tags: [['p', other]], content })
        const isFollowing = (): boolean =>
          relay.core.subscriptions().length === 1 &&
          relay.core.subscriptions()[0]?.filters[0]?.['#p']?.includes(other) === true
        party.follow({ kinds: [14], '#p': [NODE, other], limit: 0 })
        await world.until(isFollowing, 'the relay knows')
        relay.core.inject(toOther('now'))
        await world.until(() => texts().includes('now'), 'it arrives')
        relay.core.dropConnections()
        await world.until(() => isFollowing() && party.connected().length === 1, 'it is asked again')
        relay.core.inject(toOther('later'))
        await world.until(() => texts().includes('later'), 'it arrives again')
      })

      it('reads nothing while paused, and everything afterwards', async () => {
        const relay = await world.relay()
        const { party, texts } = await openUp([relay])
        party.pause(true)
        relay.core.inject(message('while paused'))
        expect(await publish(party, relay, message('from us'), 100)).toMatchObject({ kind: 'silent' })
        expect(texts()).toEqual([])
        party.pause(false)
        await world.until(() => texts().includes('while paused'), 'it is read')
        expect(party.connected()).toEqual([relay.url])
      })
    })

    describe('asking for the past', () => {
      it('walks back through all pages of a relay that gives ten events at most', async () => {
        const relay = await world.relay({ limits: { maxLimit: 10 } })
        const { party } = await openUp([relay])
        // Pairs share a second, so pages end between equal times.
        const sent = Array.from({ length: 25 }, (_, i) => message(`m${i}`, nowS() - 1_000 + Math.floor(i / 2)))
        for (const event of sent) relay.core.inject(event)
        await world.until(() => party.pageLimit(relay.url) === 10, 'the limit is known')

        const found = new Map<string, NostrEvent>()
        let until: number | undefined
        for (let pages = 0; pages < 10; pages++) {
          const limit = party.pageLimit(relay.url)
          const got = await page(party, relay, { ...HISTORY, limit, ...(until === undefined ? {} : { until }) })
          expect(got.complete).toBe(true)
          expect(got.events.length).toBeLessThanOrEqual(10)
          const times = got.events.map((event) => event.created_at)
          expect(times).toEqual([...times].sort((a, b) => b - a))
          expect(got.oldestS).toBe(times.at(-1))
          const before = found.size
          for (const event of got.events) found.set(event.id, event)
          if (found.size === before) break
          until = times.at(-1)
        }
        expect([...found.keys()].sort()).toEqual(sent.map(({ id }) => id).sort())
      })

      it('finds a complete, empty page where there is nothing', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        expect(await page(party, relay, HISTORY)).toEqual<Page>({ events: [], complete: true, oldestS: null })
      })

      it('finds all messages on two relays of which each has half', async () => {
        const relays = [await world.relay(), await world.relay()]
        const sent = Array.from({ length: 10 }, (_, i) => message(`m${i}`, nowS() - i))
        for (const [i, event] of sent.entries()) relays[i % 2]?.core.inject(event)
        const { party } = await openUp(relays)
        const pages = await Promise.all(relays.map((relay) => page(party, relay, HISTORY)))
        expect(pages.map(({ events, complete }) => [events.length, complete])).toEqual([
          [5, true],
          [5, true],
        ])
        const ids = pages.flatMap(({ events }) => events.map(({ id }) => id))
        expect(ids.sort()).toEqual(sent.map(({ id }) => id).sort())
      })

      it('proves nothing with a page whose end the relay never announced, yet listens to that relay', async () => {
        const relay = await world.relay()
        relay.core.faults.withholdEose = true
        const oldS = nowS() - 5
        relay.core.inject(message('old', oldS))
        const { party, texts } = await openUp([relay])
        const got = await page(party, relay, HISTORY, 100)
        expect(got).toMatchObject({ complete: false, oldestS: oldS })
        expect(got.events.map(({ content }) => content)).toEqual(['old'])
        relay.core.inject(message('new'))
        await world.until(() => texts().includes('new'), 'the new message arrives')
      })

      it('ends a page incomplete when the connection breaks or the relay refuses it', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        relay.core.faults.withholdEose = true
        const pending = party.page(relay.url, HISTORY, DEADLINE_MS)
        await world.until(() => relay.core.subscriptions().length === 2, 'the relay has the request')
        relay.core.dropConnections()
        expect(await world.settled(pending)).toMatchObject({ complete: false })

        relay.core.faults.clear()
        await world.until(() => party.connected().length === 1, 'it is up again')
        relay.core.limits.maxSubscriptions = 1
        expect(await page(party, relay, HISTORY)).toMatchObject({ complete: false, events: [] })
      })

      it('knows how far back a page reaches when a stranger filled it with events too large for us', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        const padding = Array.from({ length: 8 }, (_, i) => ['x', String(i).repeat(7_000)])
        const tags = [['p', NODE], ...padding]
        const oldS = nowS() - 50
        relay.core.inject(sign({ kind: 14, created_at: oldS, tags, content: 'y'.repeat(90_000) }))
        expect(await page(party, relay, HISTORY)).toEqual({ events: [], complete: true, oldestS: oldS })
        // Once live, once in the page.
        expect(party.stats().get(relay.url)?.oversized).toBe(2)
      })
    })

    describe('publishing', () => {
      it('is accepted, and accepted again when the relay has the event already', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        const event = message('out')
        expect(await publish(party, relay, event)).toEqual({ kind: 'accepted' })
        expect(await publish(party, relay, event)).toEqual({ kind: 'accepted' })
        expect(relay.core.events()).toEqual([event])
        relay.core.faults.refuse(() => true, 'duplicate: have it')
        expect(await publish(party, relay, message('again'))).toEqual({ kind: 'accepted' })
      })

      it.each(['blocked', 'invalid', 'pow', 'rate-limited', 'error', 'restricted', 'replaced'])(
        'is refused with the prefix %s',
        async (prefix) => {
          const relay = await world.relay()
          const { party } = await openUp([relay])
          relay.core.faults.refuse(({ content }) => content === 'bad', `${prefix}: because`)
          expect(await publish(party, relay, message('bad'))).toEqual({
            kind: 'refused',
            prefix,
            message: `${prefix}: because`,
          })
          expect(await publish(party, relay, message('good'))).toEqual({ kind: 'accepted' })
          expect(relay.core.events().map(({ content }) => content)).toEqual(['good'])
        },
      )

      it('is refused without a prefix when the relay gives none, and for a false signature', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        const forged = { ...message('forged'), sig: '0'.repeat(128) }
        expect(await publish(party, relay, forged)).toMatchObject({ kind: 'refused', prefix: 'invalid' })
        relay.core.faults.refuse(() => true, 'no thanks')
        expect(await publish(party, relay, message('bad'))).toMatchObject({ kind: 'refused', prefix: '' })
      })

      it('stays unknown when the relay says nothing, whether or not it has the event', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        const undo = relay.core.faults.onPublish(({ content }) => ({ kind: content === 'lost' ? 'ignore' : 'lose-ok' }))
        expect(await publish(party, relay, message('lost'), 100)).toMatchObject({ kind: 'silent' })
        const event = message('kept')
        expect(await publish(party, relay, event, 100)).toMatchObject({ kind: 'silent' })
        expect(relay.core.events()).toEqual([event])
        undo()
        expect(await publish(party, relay, event)).toEqual({ kind: 'accepted' })
      })

      it('stays unknown when the connection is cut before or after the relay stored it', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        relay.core.faults.onPublish(({ content }) => ({ kind: content === 'before' ? 'cut-before' : 'cut-after' }))
        for (const content of ['before', 'after']) {
          expect(await publish(party, relay, message(content))).toMatchObject({ kind: 'silent' })
          await world.until(() => party.connected().length === 1, 'it is up again')
        }
        expect(relay.core.events().map(({ content }) => content)).toEqual(['after'])
      })

      it('answers everybody who publishes the same event at once, and sends it once', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        relay.core.faults.onDelay(() => 50)
        const event = message('out')
        const answers = [1, 2, 3].map(() => party.publish(relay.url, event, DEADLINE_MS))
        expect(await world.settled(Promise.all(answers))).toEqual([1, 2, 3].map(() => ({ kind: 'accepted' })))
        expect(relay.core.log().filter(({ kind }) => kind === 'event')).toHaveLength(1)
      })

      it('is silent at once where no relay is connected, and works when it is back', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        await relay.goAway()
        await world.until(() => party.connected().length === 0, 'it is down')
        const event = message('out')
        expect(await publish(party, relay, event, 60_000)).toMatchObject({ kind: 'silent' })
        expect(await world.settled(party.publish('wss://elsewhere.example', event, 60_000))).toMatchObject({
          kind: 'silent',
        })
        await relay.comeBack()
        await world.until(() => party.connected().length === 1, 'it is back')
        expect(await publish(party, relay, event)).toEqual({ kind: 'accepted' })
      })
    })

    describe('staying connected', () => {
      it('reconnects to a relay that went away, asks for live messages again, and says so once', async () => {
        const relay = await world.relay()
        const { party, texts, changes } = await openUp([relay])
        for (const round of [1, 2]) {
          await relay.goAway()
          await world.until(() => changes.length === 2 * round, 'the loss is noticed')
          await relay.comeBack()
          await world.until(() => party.connected().length === 1, 'it is up again')
          relay.core.inject(message(`after ${round}`))
          await world.until(() => texts().includes(`after ${round}`), 'live messages arrive')
        }
        expect(changes.map((change) => change.split(':')[0])).toEqual(['up', 'down', 'up', 'down', 'up'])
        expect(relay.core.subscriptions()).toHaveLength(1)
      })

      it('says once that a relay cannot be reached, and connects when it appears', async () => {
        const relay = await world.relay()
        await relay.goAway()
        const { party, changes } = open([relay])
        await world.until(() => changes.length === 1, 'the failure is noticed')
        expect(party.connected()).toEqual([])
        await relay.comeBack()
        await world.until(() => party.connected().length === 1, 'it is up')
        expect(changes).toHaveLength(2)
      })

      it('hangs up on a relay that neither reads nor answers', async () => {
        const relay = await world.relay()
        const { party, changes } = await openUp([relay], { timing: { pingMs: 300 } })
        relay.freeze(true)
        await world.until(() => changes.length >= 2, 'the silence is noticed')
        expect(changes[1]).toBe('down: no pong in time')
        relay.freeze(false)
        await world.until(() => party.connected().length === 1, 'it is up again')
      })

      it('tries again when the relay takes the live subscription away', async () => {
        const relay = await world.relay()
        const { texts, changes } = await openUp([relay])
        relay.core.say('["CLOSED","live-1","error: shutting down idle subscription"]')
        await world.until(() => changes.length === 3, 'it is down and up again')
        expect(changes[1]).toContain('shutting down idle subscription')
        relay.core.inject(message('still here'))
        await world.until(() => texts().includes('still here'), 'live messages arrive')
      })

      it('leaves nothing behind when closed, and then answers without delay', async () => {
        const relay = await world.relay()
        const { party, heard, changes } = await openUp([relay])
        relay.core.faults.onPublish(() => ({ kind: 'ignore' }))
        relay.core.faults.withholdEose = true
        const answer = party.publish(relay.url, message('pending'), DEADLINE_MS)
        const pending = party.page(relay.url, HISTORY, DEADLINE_MS)
        await world.settled(party.close())
        expect(await world.settled(answer)).toMatchObject({ kind: 'silent' })
        expect(await world.settled(pending)).toMatchObject({ complete: false })
        await world.until(() => relay.core.connectionCount() === 0, 'the relay sees nobody')
        relay.core.inject(message('nobody listens'))
        expect(await publish(party, relay, message('late'), 60_000)).toMatchObject({ kind: 'silent' })
        expect([heard, changes, party.connected()]).toEqual([[], ['up'], []])
        await world.settled(party.close())
      })
    })

    describe('authentication', () => {
      const auth = { toRead: true, toWrite: true }
      const authenticate = (template: EventTemplate): NostrEvent => sign(template, NODE_KEY)

      it('proves our key to a relay that asks for it, again after each reconnect', async () => {
        const relay = await world.relay({ auth })
        const { party, texts } = await openUp([relay], { authenticate })
        for (const round of [1, 2]) {
          expect(await publish(party, relay, message(`out ${round}`))).toEqual({ kind: 'accepted' })
          expect(await page(party, relay, HISTORY)).toMatchObject({ complete: true })
          relay.core.inject(message(`in ${round}`))
          await world.until(() => texts().includes(`in ${round}`), 'live messages arrive')
          relay.core.dropConnections()
          await world.until(() => party.connected().length === 0, 'it is down')
          await world.until(() => party.connected().length === 1, 'it is up again')
        }
        expect(relay.core.log().some((entry) => entry.kind === 'auth' && entry.pubkey === NODE)).toBe(true)
      })

      it('waits for a signature that takes time', async () => {
        const relay = await world.relay({ auth })
        const { party } = await openUp([relay], { authenticate: (template) => Promise.resolve(authenticate(template)) })
        expect(await publish(party, relay, message('out'))).toEqual({ kind: 'accepted' })
      })

      it('stays down where a relay insists and we have no key to prove', async () => {
        const relay = await world.relay({ auth })
        const { changes, party } = open([relay])
        await world.until(() => changes.length === 1, 'the failure is noticed')
        expect(changes[0]).toContain('auth-required')
        expect(party.connected()).toEqual([])
      })

      it('stays down where a relay does not want our key', async () => {
        const relay = await world.relay({ auth: { ...auth, isAllowed: () => false } })
        const { changes } = open([relay], { authenticate })
        await world.until(() => changes.length === 1, 'the failure is noticed')
        expect(changes[0]).toContain('restricted')
      })

      it('listens without a key where only writing needs one, and is told so', async () => {
        const relay = await world.relay({ auth: { toRead: false, toWrite: true } })
        const { party, texts } = await openUp([relay])
        relay.core.inject(message('in'))
        await world.until(() => texts().includes('in'), 'live messages arrive')
        expect(await publish(party, relay, message('out'))).toMatchObject({ kind: 'refused', prefix: 'auth-required' })
      })
    })

    describe('a relay that lies', () => {
      it('does not disturb us with frames that we did not ask for', async () => {
        const relay = await world.relay()
        const { party, texts } = await openUp([relay])
        const stranger = sign({ kind: 1, created_at: nowS(), tags: [], content: 'not asked for' })
        const lies = [
          '',
          'garbage',
          '{}',
          '[]',
          'null',
          '[1,2,3]',
          '["EVENT"]',
          '["EVENT","live-1"]',
          '["EVENT","live-1",{"id":"x"}]',
          '["EVENT","live-1",null]',
          '["OK","x"]',
          `["OK","${'0'.repeat(64)}",true,""]`,
          '["EOSE","page-77"]',
          '["EOSE",{}]',
          '["CLOSED","page-77","error: none"]',
          '["NOTICE","be warned"]',
          '["AUTH",5]',
          '["UNHEARD-OF","x"]',
          JSON.stringify(['EVENT', 'page-77', message('unasked')]),
          JSON.stringify(['EVENT', 'live-1', stranger]),
        ]
        for (const lie of lies) relay.core.say(lie)
        relay.core.inject(message('true'))
        await world.until(() => texts().includes('true'), 'the true message arrives')
        expect(texts()).toEqual(['true'])
        expect(party.stats().get(relay.url)).toMatchObject({
          delivered: 1,
          malformed: 14,
          unasked: 2,
          mismatched: 1,
          unknownOk: 1,
          notices: 1,
        })
      })

      it('is hung up on when it floods us with nonsense', async () => {
        const relay = await world.relay()
        const { changes } = await openUp([relay])
        for (let i = 0; i < 1_001; i++) relay.core.say('nonsense')
        await world.until(() => changes.length >= 2, 'we hang up')
        expect(changes[1]).toBe('down: the relay sends nonsense')
      })

      it('cannot keep a page open by sending events without end', async () => {
        const relay = await world.relay()
        const { party } = await openUp([relay])
        relay.core.faults.withholdEose = true
        relay.core.faults.onDelivery(() => Array.from({ length: 600 }, () => 0))
        for (const content of ['one', 'two']) relay.core.inject(message(content))
        const got = await page(party, relay, HISTORY, 60_000)
        expect(got.complete).toBe(false)
        expect(got.events.length).toBeLessThanOrEqual(1_000)
      })
    })
  })
}
