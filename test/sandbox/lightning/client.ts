/** The object that the functions of `lightning` take, built from the .proto files. */
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
} from '@grpc/grpc-js'
import type { AuthenticatedLnd } from 'lightning'
import { LND_PROTOS } from '../../support/lnd-protos.ts'

const SERVICES = {
  default: ['lnrpc', 'Lightning'],
  invoices: ['invoicesrpc', 'Invoices'],
  router: ['routerrpc', 'Router'],
  chain: ['chainrpc', 'ChainNotifier'],
} as const

const root = loadPackageDefinition(LND_PROTOS)

/** A client with this macaroon, and how to close it. */
export function lndClient(
  socket: string,
  certPem: string,
  macaroonHex: string,
): { readonly lnd: AuthenticatedLnd; readonly close: () => void } {
  const metadata = new Metadata()
  metadata.set('macaroon', macaroonHex)
  const channel = credentials.combineChannelCredentials(
    credentials.createSsl(Buffer.from(certPem)),
    credentials.createFromMetadataGenerator((_, done) => done(null, metadata)),
  )
  const clients: Record<string, Client> = {}
  for (const [key, [packageName, service]] of Object.entries(SERVICES)) {
    const Service = (root[packageName] as GrpcObject)[service] as ServiceClientConstructor
    clients[key] = new Service(socket, channel, { 'grpc.use_local_subchannel_pool': 1 })
  }
  return {
    lnd: clients as unknown as AuthenticatedLnd,
    close: () => {
      for (const client of Object.values(clients)) client.close()
    },
  }
}
