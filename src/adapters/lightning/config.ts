import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { err, ok, type Result } from '../../core/result.ts'

/** How to reach LND and what it lets us do. */
export type LndConfig = {
  /** `host:port` of LND's gRPC listener, by default port 10009 */
  readonly socket: string
  /** LND's tls.cert: the PEM text, or the PEM text in base64; null when a public authority signed it */
  readonly cert: string | null
  /** the macaroon in hex, as `xxd -p -c 1000 fianza.macaroon` prints it */
  readonly macaroonHex: string
}

/** A configuration that can be dialled. */
export type LndTarget = {
  readonly socket: string
  readonly certPem: string | null
  /** the name to check the certificate against when it is not the host of the socket */
  readonly serverName: string | null
  readonly macaroonHex: string
}

const PEM_START = '-----BEGIN CERTIFICATE-----'

/** Checks a configuration without dialling. The error says which value is wrong and where to get a right one. */
export function lndTarget(config: LndConfig): Result<LndTarget, string> {
  const socket = /^(\[[0-9a-f:]+\]|[^:\s/]+):(\d{1,5})$/i.exec(config.socket)
  const host = socket?.[1]
  if (host === undefined || Number(socket?.[2]) > 65_535) {
    return err(
      `"${config.socket}" is not the socket of LND; write host:port without a scheme, for example localhost:10009`,
    )
  }
  if (!/^([0-9a-f]{2})+$/i.test(config.macaroonHex)) {
    return err('the macaroon of LND is not hex; print one with `xxd -p -c 1000 fianza.macaroon`')
  }
  const macaroonHex = config.macaroonHex.toLowerCase()
  if (config.cert === null) return ok({ socket: config.socket, certPem: null, serverName: null, macaroonHex })

  const certPem = config.cert.includes(PEM_START) ? config.cert : Buffer.from(config.cert, 'base64').toString('utf8')
  const names = certPem.includes(PEM_START) ? dnsNames(certPem) : null
  if (names === null) {
    return err('the certificate of LND can not be read; use the text of tls.cert, or that text in base64')
  }
  return ok({ socket: config.socket, certPem, serverName: isAddress(host) ? (names[0] ?? null) : null, macaroonHex })
}

/** TLS has no server name for a bare address, so a pinned certificate is checked against a name of its own (1.12). */
function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) !== 0
}

function dnsNames(pem: string): readonly string[] | null {
  try {
    const names = new X509Certificate(pem).subjectAltName ?? ''
    return [...names.matchAll(/DNS:([^,\s]+)/g)].flatMap((match) => match[1] ?? [])
  } catch {
    return null
  }
}
