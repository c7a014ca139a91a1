/** LND's services from the .proto files of `lightning`, parsed once a process; messages as its functions expect them. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { loadSync } from '@grpc/proto-loader'

const PROTO_DIR = join(dirname(createRequire(import.meta.url).resolve('lightning/package.json')), 'grpc', 'protos')

export const LND_PROTOS = loadSync(['lightning.proto', 'invoices.proto', 'router.proto', 'chainnotifier.proto'], {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [PROTO_DIR],
})
