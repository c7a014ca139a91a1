import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { normalizeRelayUrl } from '../../../src/adapters/nostr/relay-url.ts'

it('the example list names several relays over TLS, each once and in the spelling that we publish', () => {
  const text = readFileSync(new URL('../../../relays.example.json', import.meta.url), 'utf8')
  const { relays } = JSON.parse(text) as { readonly relays: readonly string[] }
  expect(relays.length).toBeGreaterThan(1)
  expect(new Set(relays).size).toBe(relays.length)
  for (const relay of relays) {
    expect(relay).toMatch(/^wss:/)
    expect(normalizeRelayUrl(relay)).toEqual({ ok: true, value: relay })
  }
})
