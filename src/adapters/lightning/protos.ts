import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { MethodDefinition } from '@grpc/grpc-js'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { assert } from '../../core/assert.ts'
import type { RpcMessages } from './messages.ts'
import { RPCS, type RpcName } from './rpcs.ts'

/** The .proto files that the `lightning` package ships are the adapter's only source of LND's wire format. */
const PROTO_DIR = join(dirname(createRequire(import.meta.url).resolve('lightning/package.json')), 'grpc', 'protos')
const PROTO_FILES = ['lightning.proto', 'invoices.proto', 'router.proto', 'chainnotifier.proto']

let loaded: PackageDefinition | undefined

/** Parses the .proto files once a process: that costs a tenth of a second. */
function definitions(): PackageDefinition {
  loaded ??= loadSync(
    PROTO_FILES.map((file) => join(PROTO_DIR, file)),
    { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [PROTO_DIR] },
  )
  return loaded
}

/** How to call one RPC of `rpcs.ts`: its path and its codecs. */
export function methodOf<N extends RpcName>(
  name: N,
): MethodDefinition<RpcMessages[N]['request'], RpcMessages[N]['response']> {
  const { service, method } = RPCS[name]
  const found = Object.entries(definitions()[service] ?? {}).find(([key]) => key === method)?.[1]
  assert(found !== undefined, `the .proto files lack ${service}/${method}`)
  return found
}
