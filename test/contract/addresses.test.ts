import { bech32 } from '@scure/base'
import { LnurlAddresses } from '../../src/adapters/lnurl/lnurl-addresses.ts'
import type { Clock } from '../../src/ports/system.ts'
import { FakeAddresses } from '../../src/sandbox/fake-ports/fake-addresses.ts'
import { startLnurlServer } from '../../src/sandbox/lnurl/server.ts'
import { describeAddresses } from './addresses.ts'

/** Time passes as soon as somebody waits for it. */
const hastyClock: Clock = {
  nowMs: () => 0,
  after: (_, task) => {
    const pending = setImmediate(task)
    return () => clearImmediate(pending)
  },
}

describeAddresses('over http', async (service) => {
  const server = await startLnurlServer(service)
  return {
    addresses: new LnurlAddresses({ plainHosts: [server.host], totalMs: 500 }),
    addressOf: server.addressOf,
    lnurlOf: server.lnurlOf,
    close: server.close,
  }
})

describeAddresses('simulated', async (service) => ({
  addresses: new FakeAddresses({ ...service, clock: hastyClock, host: 'wallet.test' }),
  addressOf: (user) => `${user}@wallet.test`,
  lnurlOf: (user) =>
    bech32.encode(
      'lnurl',
      bech32.toWords(new TextEncoder().encode(`https://wallet.test/.well-known/lnurlp/${user}`)),
      false,
    ),
  close: async () => {},
}))
