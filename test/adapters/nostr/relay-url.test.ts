import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalizeRelayUrl } from '../../../src/adapters/nostr/relay-url.ts'

describe('the address of a relay', () => {
  it.each([
    ['wss://relay.example.com', 'wss://relay.example.com'],
    ['wss://relay.example.com/', 'wss://relay.example.com'],
    ['  WSS://Relay.Example.COM:443/  ', 'wss://relay.example.com'],
    ['ws://127.0.0.1:80', 'ws://127.0.0.1'],
    ['ws://127.0.0.1:7447/', 'ws://127.0.0.1:7447'],
    ['wss://relay.example.com/path//', 'wss://relay.example.com/path'],
    ['wss://relay.example.com/path?key=1#part', 'wss://relay.example.com/path?key=1'],
    ['ws://[::1]:7000/', 'ws://[::1]:7000'],
  ])('%s is spelled %s', (text, spelled) => {
    expect(normalizeRelayUrl(text)).toEqual({ ok: true, value: spelled })
  })

  it.each([
    '',
    'relay.example.com',
    'https://relay.example.com',
    'wss://',
    'wss://user:secret@relay.example.com',
    'ws:',
  ])('%s is refused', (text) => {
    expect(normalizeRelayUrl(text).ok).toBe(false)
  })

  it('is spelled the same when it is spelled again', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const once = normalizeRelayUrl(url.replace(/^http/, 'ws'))
        expect(once.ok && normalizeRelayUrl(once.value)).toEqual(once)
      }),
    )
  })
})
