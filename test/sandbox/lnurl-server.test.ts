import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LnurlServer, startLnurlServer } from '../../src/sandbox/lnurl/server.ts'

describe('the Lightning address service of the sandbox', () => {
  let server: LnurlServer

  beforeEach(async () => {
    server = await startLnurlServer({
      invoiceFor: (user) => (user === 'broke' ? Promise.reject(new Error('wallet is locked')) : `lnbc-${user}`),
      maxSendableMsat: 5000,
      commentAllowed: 3,
    })
  })
  afterEach(() => server.close())

  async function get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`http://${server.host}${path}`)
    return { status: response.status, body: await response.json() }
  }

  it('describes a user as LUD-06 and LUD-16 say', async () => {
    expect(await get('/.well-known/lnurlp/alice')).toEqual({
      status: 200,
      body: {
        tag: 'payRequest',
        callback: `http://${server.host}/pay/alice`,
        minSendable: 1000,
        maxSendable: 5000,
        metadata: JSON.stringify([
          ['text/plain', 'Sats for alice'],
          ['text/identifier', server.addressOf('alice')],
        ]),
        commentAllowed: 3,
      },
    })
  })

  it.each([
    ['gives an invoice', '/pay/alice?amount=5000&comment=hey', 200, { pr: 'lnbc-alice', routes: [] }],
    ['refuses too much', '/pay/alice?amount=5001', 200, { status: 'ERROR', reason: 'amount out of range' }],
    ['refuses too little', '/pay/alice?amount=999', 200, { status: 'ERROR', reason: 'amount out of range' }],
    ['refuses no amount', '/pay/alice', 200, { status: 'ERROR', reason: 'amount out of range' }],
    ['refuses words', '/pay/alice?amount=1e3.5', 200, { status: 'ERROR', reason: 'amount out of range' }],
    [
      'refuses a long comment',
      '/pay/alice?amount=5000&comment=long',
      200,
      { status: 'ERROR', reason: 'comment too long' },
    ],
    ['passes on what its wallet says', '/pay/broke?amount=5000', 500, { status: 'ERROR', reason: 'wallet is locked' }],
    ['knows no other path', '/favicon.ico', 404, { status: 'ERROR', reason: 'no such user' }],
  ])('%s', async (_, path, status, body) => {
    expect(await get(path)).toEqual({ status, body })
  })

  it('closes twice, and its port is free again', async () => {
    await server.close()
    await server.close()
    const port = Number(server.host.split(':')[1])
    const next = await startLnurlServer({ invoiceFor: () => 'lnbc1' }, port)
    expect(next.host).toBe(server.host)
    await next.close()
  })

  it('says so when its port is taken', async () => {
    const port = Number(server.host.split(':')[1])
    await expect(startLnurlServer({ invoiceFor: () => 'lnbc1' }, port)).rejects.toThrow('EADDRINUSE')
  })
})
