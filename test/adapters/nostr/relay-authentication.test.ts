import { describe, expect, it } from 'vitest'
import { play, RELAY, sign } from './played-relay.ts'

const event = sign({ kind: 1, created_at: 1, tags: [], content: '' })
const REFUSED = JSON.stringify(['OK', event.id, false, 'auth-required: who are you?'])
const PUBLISHED = JSON.stringify(['EVENT', event])
const PAGE_CLOSED = '["CLOSED","page-1","auth-required: who are you?"]'
const PAGE_ASKED = '["REQ","page-1",{"kinds":[14]}]'

/** A relay that is up, and lets the test decide about authentication. */
function playUp() {
  const played = play({ authenticate: sign })
  played.connect()
  const challenge = (): void => played.socket().onText('["AUTH","challenge"]')
  const answer = (accepted: boolean): void => {
    const [, proof] = JSON.parse(played.sent.findLast((text) => text.startsWith('["AUTH"')) ?? '[]') as [
      string,
      { id: string },
    ]
    played.socket().onText(JSON.stringify(['OK', proof.id, accepted, accepted ? '' : 'restricted: no']))
  }
  const timesSent = (text: string): number => played.sent.filter((one) => one === text).length
  return { ...played, challenge, answer, timesSent }
}

describe('authentication', () => {
  it('signs a few challenges and no more', async () => {
    const { relays, sent, connect, socket } = play({
      authenticate: sign,
    })
    connect()
    for (let i = 0; i < 50; i++) socket().onText(`["AUTH","challenge ${i}"]`)
    expect(sent.filter((text) => text.startsWith('["AUTH"'))).toHaveLength(3)
    await relays.close()
  })

  it('is down while its authentication is under way, and up when it is done', async () => {
    const { relays, sent, changes, socket } = play({ authenticate: sign })
    socket().onOpen()
    socket().onText('["AUTH","challenge"]')
    socket().onText('["EOSE","live-1"]')
    expect(changes).toEqual([])
    const answer = JSON.parse(sent.at(-1) ?? '') as [string, { id: string; kind: number; tags: string[][] }]
    expect(answer[1]).toMatchObject({
      kind: 22_242,
      tags: [
        ['relay', RELAY],
        ['challenge', 'challenge'],
      ],
    })
    socket().onText(JSON.stringify(['OK', answer[1].id, true, '']))
    expect(sent.slice(-2)).toEqual(['["REQ","live-2",{"kinds":[14],"limit":0}]', '["CLOSE","live-1"]'])
    socket().onText('["EOSE","live-2"]')
    expect(changes).toEqual(['up'])
    await relays.close()
  })

  it('lets a refused event and a refused page be tried again, once', async () => {
    const { relays, socket, challenge, answer, timesSent } = playUp()
    const published = relays.publish(RELAY, event, 1_000)
    const page = relays.page(RELAY, { kinds: [14] }, 1_000)
    for (const text of [REFUSED, PAGE_CLOSED]) socket().onText(text)
    challenge()
    answer(true)
    expect([timesSent(PUBLISHED), timesSent(PAGE_ASKED)]).toEqual([2, 2])
    for (const text of [REFUSED, PAGE_CLOSED]) socket().onText(text)
    expect(await published).toMatchObject({ kind: 'refused', prefix: 'auth-required' })
    expect(await page).toMatchObject({ complete: false })
    expect([timesSent(PUBLISHED), timesSent(PAGE_ASKED)]).toEqual([2, 2])
    await relays.close()
  })

  it('counts also when its OK overtakes a refusal', async () => {
    const { relays, socket, challenge, answer, timesSent } = playUp()
    const published = relays.publish(RELAY, event, 1_000)
    const page = relays.page(RELAY, { kinds: [14] }, 1_000)
    challenge()
    answer(true)
    for (const text of [REFUSED, PAGE_CLOSED]) socket().onText(text)
    expect([timesSent(PUBLISHED), timesSent(PAGE_ASKED)]).toEqual([2, 2])
    socket().onText(JSON.stringify(['OK', event.id, true, '']))
    socket().onText('["EOSE","page-1"]')
    expect(await published).toEqual({ kind: 'accepted' })
    expect(await page).toMatchObject({ complete: true })
    await relays.close()
  })

  it('that the relay refuses ends what waited for it, and leaves the rest alone', async () => {
    const { relays, socket, challenge, answer, changes } = playUp()
    const published = relays.publish(RELAY, event, 1_000)
    const page = relays.page(RELAY, { kinds: [14] }, 1_000)
    challenge()
    for (const text of [REFUSED, PAGE_CLOSED]) socket().onText(text)
    answer(false)
    expect(await published).toMatchObject({ kind: 'refused', prefix: 'auth-required' })
    expect(await page).toMatchObject({ complete: false })
    expect(changes).toEqual(['up'])
    await relays.close()
  })

  it('that never comes leaves a refusal a refusal', async () => {
    const { clock, relays, socket } = playUp()
    const published = relays.publish(RELAY, event, 1_000)
    socket().onText(REFUSED)
    await clock.advance(1_000)
    expect(await published).toMatchObject({ kind: 'refused', prefix: 'auth-required' })
    await relays.close()
  })

  it('that a signer cannot give counts as refused', async () => {
    const { clock, relays, changes, socket } = play({ authenticate: () => Promise.reject(new Error('locked')) })
    socket().onOpen()
    socket().onText('["AUTH","challenge"]')
    socket().onText('["CLOSED","live-1","auth-required: who are you?"]')
    await clock.advance(0)
    expect(changes).toEqual(['the relay refused our authentication: could not sign'])
    await relays.close()
  })

  it('that a relay wants and does not complete takes it down', async () => {
    const { clock, relays, changes, socket } = play({ authenticate: sign })
    socket().onOpen()
    socket().onText('["CLOSED","live-1","auth-required: who are you?"]')
    await clock.advance(5_000)
    expect(changes).toEqual(['the relay asks for authentication and does not complete it'])
    await relays.close()
  })
})
