import { finalizeEvent } from 'nostr-tools/pure'
import { beforeEach, describe, expect, it } from 'vitest'
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { RelayCore, type RelayCoreOptions, type RelayInlet } from '../../../src/sandbox/relay/relay-core.ts'
import { TestClock } from '../../support/clock.ts'
import { tradeKey } from '../../support/wire-keys.ts'

const ADDRESS = 'ws://127.0.0.1:7447'

describe('a relay', () => {
  let clock: TestClock
  let core: RelayCore
  let client: RelayInlet
  let heard: (readonly unknown[])[]

  const start = (options: Partial<RelayCoreOptions> = {}): void => {
    clock = new TestClock()
    core = new RelayCore({ clock, ...options })
    ;({ client, heard } = connect())
  }
  const connect = () => {
    const frames: (readonly unknown[])[] = []
    const peer = { send: (text: string) => frames.push(JSON.parse(text)), cut: () => frames.push(['cut']) }
    return { client: core.connect(peer, ADDRESS), heard: frames }
  }
  const say = (...frame: readonly unknown[]): readonly unknown[] | undefined => {
    client.receive(JSON.stringify(frame))
    return heard.at(-1)
  }
  const nowS = (): number => clock.nowMs() / 1000
  const make = (content: string, kind = 1, createdAtS = nowS(), tags: string[][] = []) =>
    finalizeEvent({ kind, created_at: createdAtS, tags, content }, tradeKey.secretKey)

  beforeEach(() => start())

  it('stores what is signed and hands it to those who asked', () => {
    const other = connect()
    other.client.receive('["REQ","all",{"kinds":[1]}]')
    const event = make('hello')
    expect(say('EVENT', event)).toEqual(['OK', event.id, true, ''])
    expect(other.heard).toMatchObject([
      ['EOSE', 'all'],
      ['EVENT', 'all', { id: event.id }],
    ])
    other.client.receive('["CLOSE","all"]')
    say('EVENT', make('more'))
    expect(other.heard).toHaveLength(2)
  })

  it('believes no verdict that travels with an event', () => {
    const event = make('hello')
    expect(core.inject({ ...event, id: '1'.repeat(64) })).toBe('stored')
    const forged = { ...event, content: 'forged' }
    expect(say('EVENT', forged)).toEqual(['OK', event.id, false, 'invalid: id or signature'])
    expect(say('EVENT', { ...event, sig: '0'.repeat(128) })?.[2]).toBe(false)
  })

  it('answers a repeat as a duplicate and an older revision as replaced', () => {
    const older = make('older', 0, nowS() - 1)
    const newer = make('newer', 0)
    say('EVENT', newer)
    expect(say('EVENT', newer)).toEqual(['OK', newer.id, true, 'duplicate: have this event'])
    expect(say('EVENT', older)).toEqual(['OK', older.id, false, 'replaced: have a newer event'])
  })

  it.each<[string, () => NostrEvent]>([
    ['in the far future', () => make('x', 1, nowS() + 901)],
    ['expired', () => make('x', 1, nowS(), [['expiration', String(nowS() - 1)]])],
    [
      'too large',
      () =>
        make(
          'x'.repeat(99_000),
          1,
          nowS(),
          Array.from({ length: 30 }, () => ['x', 'y'.repeat(2_000)]),
        ),
    ],
  ])('refuses an event that is %s', (_, event) => {
    start({ limits: { maxMessageChars: 100_000 } })
    expect(say('EVENT', event())).toMatchObject(['OK', expect.any(String), false, expect.stringMatching(/^invalid: /)])
    expect(core.events()).toEqual([])
  })

  it.each([
    ['["REQ","s"]', 'CLOSED'],
    ['["REQ","",{}]', 'CLOSED'],
    ['["REQ","s",null]', 'CLOSED'],
    ['["REQ","s",{"ids":["abc"]}]', 'CLOSED'],
    ['["REQ","s",{"authors":"abc"}]', 'CLOSED'],
    ['["REQ","s",{"kinds":["1"]}]', 'CLOSED'],
    ['["REQ","s",{"limit":-1}]', 'CLOSED'],
    ['["REQ","s",{"since":1.5}]', 'CLOSED'],
    ['["REQ","s",{"#p":[1]}]', 'CLOSED'],
    ['["REQ","s",{"#pp":["x"]}]', 'CLOSED'],
    ['["REQ","s",{"search":"ignored"}]', 'EOSE'],
    ['["REQ",5,{}]', 'NOTICE'],
    ['["COUNT","s",{}]', 'CLOSED'],
    ['["EVENT",{"id":"x"}]', 'OK'],
    ['["EVENT",5]', 'NOTICE'],
    ['["AUTH",5]', 'NOTICE'],
    ['["NEG-OPEN","s"]', 'NOTICE'],
    ['garbage', 'NOTICE'],
    ['', 'NOTICE'],
  ])('answers %s with %s', (text, answer) => {
    client.receive(text)
    expect(heard.at(-1)?.[0]).toBe(answer)
    expect(core.subscriptions()).toHaveLength(answer === 'EOSE' ? 1 : 0)
  })

  it('bounds subscriptions, and lets one be replaced', () => {
    start({ limits: { maxSubscriptions: 1 } })
    expect(say('REQ', 'a', {})).toEqual(['EOSE', 'a'])
    expect(say('REQ', 'b', {})).toEqual(['CLOSED', 'b', 'error: too many subscriptions'])
    expect(say('REQ', 'a', { kinds: [7] })).toEqual(['EOSE', 'a'])
    expect(core.subscriptions()).toEqual([{ connection: 1, id: 'a', filters: [{ kinds: [7] }] }])
  })

  describe('that wants keys proved', () => {
    const prove = (challenge: unknown, relay = ADDRESS, kind = 22_242) =>
      say(
        'AUTH',
        make('', kind, nowS(), [
          ['relay', relay],
          ['challenge', String(challenge)],
        ]),
      )

    it('lets in who proves one, and says what is wrong with other proofs', () => {
      start({ auth: { toRead: true, toWrite: true } })
      const [, challenge] = heard[0] ?? []
      const event = make('hello')
      expect(say('EVENT', event)).toMatchObject(['OK', event.id, false, expect.stringMatching(/^auth-required: /)])
      expect(say('REQ', 's', {})).toMatchObject(['CLOSED', 's', expect.stringMatching(/^auth-required: /)])
      expect(prove('another')?.[3]).toBe('invalid: wrong challenge')
      expect(prove(challenge, 'ws://elsewhere')?.[3]).toBe('invalid: wrong relay')
      expect(prove(challenge, ADDRESS, 1)?.[3]).toBe('invalid: wrong kind')
      expect(say('EVENT', event)?.[2]).toBe(false)
      expect(prove(challenge, `${ADDRESS}/`)?.[2]).toBe(true)
      expect(say('EVENT', event)).toEqual(['OK', event.id, true, ''])
      expect(say('REQ', 's', {})).toEqual(['EOSE', 's'])
    })
  })

  describe('with faults', () => {
    it('meets each event with the fate that the first rule names, until the rule is taken back', () => {
      const undo = core.faults.refuse(({ content }) => content === 'bad', 'blocked: bad')
      core.faults.onPublish(({ content }) => (content === 'good' ? null : { kind: 'pretend' }))
      const bad = make('bad')
      expect(say('EVENT', bad)).toEqual(['OK', bad.id, false, 'blocked: bad'])
      undo()
      expect(say('EVENT', bad)).toEqual(['OK', bad.id, true, ''])
      say('EVENT', make('good'))
      expect(core.events().map(({ content }) => content)).toEqual(['good'])
      expect(core.log().map((entry) => entry.kind === 'event' && entry.fate)).toEqual(['refuse', 'pretend', 'take'])
    })

    it('answers late, delivers late, twice or never', async () => {
      core.faults.onDelay(() => 1_000)
      core.faults.onDelivery(({ event }) => (event.content === 'twice' ? [0, 500] : []))
      say('REQ', 's', {})
      say('EVENT', make('twice'))
      say('EVENT', make('never'))
      expect(heard).toHaveLength(1)
      await clock.advance(1_000)
      expect(heard.map(([kind]) => kind)).toEqual(['EOSE', 'OK', 'EVENT', 'OK'])
      await clock.advance(500)
      expect(heard.at(-1)?.[0]).toBe('EVENT')
      expect(core.events()).toHaveLength(2)
    })

    it('replays what it has, oldest first, to whom it concerns', () => {
      core.inject(make('newer'))
      core.inject(make('older', 1, nowS() - 100))
      say('REQ', 's', { limit: 0 })
      core.replay()
      expect(heard.slice(1).map(([, , event]) => event)).toMatchObject([{ content: 'older' }, { content: 'newer' }])
    })

    it('is healthy again when they are cleared', () => {
      core.faults.withholdEose = true
      core.faults.onPublish(() => ({ kind: 'cut-after' }))
      expect(say('EVENT', make('one'))).toEqual(['cut'])
      ;({ client, heard } = connect())
      expect(say('REQ', 's', {})?.[0]).toBe('EVENT')
      core.faults.clear()
      expect(say('REQ', 's', {})?.[0]).toBe('EOSE')
      say('EVENT', make('two'))
      expect(heard.slice(-2)).toMatchObject([
        ['OK', expect.any(String), true, ''],
        ['EVENT', 's', { content: 'two' }],
      ])
    })
  })
})
