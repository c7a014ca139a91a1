import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { explain } from './classification.ts'
import type { LndTarget } from './config.ts'

/**
 * Makes one TLS handshake with LND and hangs up. gRPC can not abandon a handshake: every attempt at a port that takes
 * connections and says nothing would leave a socket behind for ever, so it only dials where this has just succeeded.
 * Null when LND shook hands; else what went wrong, for the operator.
 */
export function knock(target: LndTarget, withinMs: number): Promise<string | null> {
  const { host, port } = splitSocket(target.socket)
  const servername = target.serverName ?? (isIP(host) === 0 ? host : undefined)
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ALPNProtocols: ['h2'],
      ...(target.certPem === null ? {} : { ca: target.certPem }),
      ...(servername === undefined ? {} : { servername }),
    })
    const finish = (problem: string | null) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(
        problem === null
          ? null
          : explain('never-sent', { kind: 'kept-back', uri: `LND at ${target.socket}`, details: problem }),
      )
    }
    const timer = setTimeout(() => finish(`no TLS handshake within ${withinMs} ms`), withinMs)
    socket.once('secureConnect', () => finish(null))
    // Stays attached: a destroyed socket may still report its error.
    socket.on('error', (error) => finish(error.message))
  })
}

function splitSocket(socket: string): { readonly host: string; readonly port: number } {
  const colon = socket.lastIndexOf(':')
  return { host: socket.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(socket.slice(colon + 1)) }
}
