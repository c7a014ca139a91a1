/** Hosts that take a connection and never say a word: what a stranger can make the daemon ask. */
import { createServer, type Socket } from 'node:net'

export type BlackHoles = {
  /** `host:port` of each */
  readonly hosts: readonly string[]
  close(): Promise<void>
}

export async function openBlackHoles(count: number): Promise<BlackHoles> {
  const sockets = new Set<Socket>()
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => sockets.delete(socket))
        socket.resume()
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const hosts = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
    return `127.0.0.1:${address.port}`
  })
  return {
    hosts,
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}
