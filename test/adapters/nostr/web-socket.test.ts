import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import type { RelaySocket } from '../../../src/adapters/nostr/socket.ts'
import { openWebSocket } from '../../../src/adapters/nostr/web-socket.ts'
import { eventually, within } from '../../support/wait.ts'

describe('a real WebSocket', () => {
  let server: WebSocketServer
  let url: string
  let socket: RelaySocket
  let accepted: WebSocket[]
  let said: string[]

  beforeEach(async () => {
    accepted = []
    said = []
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    server.on('connection', (peer) => accepted.push(peer))
    await new Promise((resolve) => server.once('listening', resolve))
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    await within(socket.close(), 'the socket to close')
    for (const peer of server.clients) peer.terminate()
    await new Promise((resolve) => server.close(resolve))
  })

  const open = (address = url): void => {
    socket = openWebSocket(address, {
      onOpen: () => said.push('open'),
      onText: (text) => said.push(`text ${text}`),
      onPong: () => said.push('pong'),
      onClose: (why) => said.push(`close ${why}`),
    })
  }
  const openUp = async (): Promise<WebSocket> => {
    open()
    await eventually(() => said.includes('open') && accepted.length > 0, 'the connection')
    const [peer] = accepted
    if (peer === undefined) throw new Error('nobody connected')
    return peer
  }

  it('carries texts and pongs, and takes binary messages for empty ones', async () => {
    const peer = await openUp()
    peer.send('hello')
    peer.send(Buffer.from('binary'))
    socket.ping()
    await eventually(() => said.length === 4, 'all to arrive')
    expect(said.slice(1).sort()).toEqual(['pong', 'text ', 'text hello'])
  })

  it('ends when a message is larger than a relay may send', async () => {
    const peer = await openUp()
    peer.on('error', () => {})
    peer.send('x'.repeat(1_048_577))
    await eventually(() => said.length === 2, 'the end')
    expect(said[1]).toBe('close Max payload size exceeded')
  })

  it('says why there is no connection', async () => {
    open('ws://127.0.0.1:1')
    await eventually(() => said.length === 1, 'the failure')
    expect(said[0]).toContain('ECONNREFUSED')
  })

  it('says what the relay said when it hung up', async () => {
    const peer = await openUp()
    peer.close(1008, 'go away')
    await eventually(() => said.length === 2, 'the end')
    expect(said[1]).toBe('close closed by the relay: 1008 go away')
  })

  it.each(['while it connects', 'when it is open', 'while it is paused'])(
    'is silent after a close %s',
    async (when) => {
      if (when === 'while it connects') open()
      else await openUp()
      if (when === 'while it is paused') socket.pause(true)
      for (const peer of accepted) peer.send('late')
      const before = [...said]
      await within(socket.close(), 'the socket to close')
      await eventually(() => accepted.every((peer) => peer.readyState === peer.CLOSED), 'the other end to notice')
      expect(said).toEqual(before)
      socket.send('nobody hears this')
      socket.ping()
      await within(socket.close(), 'the second close')
    },
  )
})
