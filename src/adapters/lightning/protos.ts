import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import protobuf from 'protobufjs'
import { assert } from '../../core/assert.ts'
import type { InvoiceHtlcMessage, InvoiceMessage, PaymentMessage, RpcMessages } from './messages.ts'
import { RPCS, type RpcName } from './rpcs.ts'

/** The .proto files that the `lightning` package ships are the adapter's only source of LND's wire format. */
const PROTO_DIR = join(dirname(createRequire(import.meta.url).resolve('lightning/package.json')), 'grpc', 'protos')
const PROTO_FILES = ['lightning.proto', 'invoices.proto', 'router.proto', 'chainnotifier.proto']

type Fields<Message> = Readonly<Record<keyof Message, true>>

const INVOICE: Fields<InvoiceMessage> = {
  r_hash: true,
  memo: true,
  value_msat: true,
  amt_paid_msat: true,
  creation_date: true,
  expiry: true,
  cltv_expiry: true,
  payment_request: true,
  settle_index: true,
  state: true,
  htlcs: true,
}
const INVOICE_HTLC: Fields<InvoiceHtlcMessage> = {
  chan_id: true,
  htlc_index: true,
  amt_msat: true,
  expiry_height: true,
  state: true,
}
const PAYMENT: Fields<PaymentMessage> = {
  payment_hash: true,
  payment_preimage: true,
  value_msat: true,
  fee_msat: true,
  creation_time_ns: true,
  status: true,
  failure_reason: true,
  htlcs: true,
}

/** The messages of long lists, and what is read of them: a decoder skips what it does not know at a third of the cost. */
const READ: Readonly<Record<string, Readonly<Record<string, true>>>> = {
  'lnrpc.Invoice': INVOICE,
  'lnrpc.InvoiceHTLC': INVOICE_HTLC,
  'lnrpc.Payment': PAYMENT,
  'lnrpc.HTLCAttempt': { status: true },
}

/** As `messages.ts` describes messages. */
const AS_OBJECTS: protobuf.IConversionOptions = { longs: String, enums: String, defaults: true, oneofs: true }

/** Rows of lists have numbers where other messages have texts: to print and to read them was half of a list's cost. */
const CONVERSIONS: Partial<Record<RpcName, protobuf.IConversionOptions>> = {
  listInvoices: { ...AS_OBJECTS, longs: Number },
}

let loaded: protobuf.Root | undefined

/** Parses the .proto files once a process: that costs a tenth of a second. */
function definitions(): protobuf.Root {
  if (loaded !== undefined) return loaded
  const root = new protobuf.Root()
  root.resolvePath = (_from, file) => join(PROTO_DIR, file)
  root.loadSync([...PROTO_FILES], { keepCase: true })
  for (const [name, fields] of Object.entries(READ)) {
    const type = root.lookupType(name)
    for (const field of type.fieldsArray.filter((field) => !(field.name in fields))) type.remove(field)
  }
  prune(root)
  loaded = root
  return root
}

/** Leaves the RPCs of `rpcs.ts` and what their messages consist of: codecs for all of LND cost time at every start. */
function prune(root: protobuf.Root): void {
  const called = new Set(Object.values(RPCS).map(({ service, method }) => `.${service}.${method}`))
  const used = new Set<protobuf.ReflectionObject>()
  const use = (type: protobuf.Type | protobuf.Enum | null): void => {
    if (type === null || used.has(type)) return
    used.add(type)
    if (type instanceof protobuf.Type) for (const field of type.fieldsArray) use(field.resolve().resolvedType)
  }
  const pruneMethods = (service: protobuf.Service): void => {
    for (const method of service.methodsArray) {
      method.resolve()
      if (!called.has(method.fullName)) service.remove(method)
      else for (const type of [method.resolvedRequestType, method.resolvedResponseType]) use(type)
    }
    if (service.methodsArray.length > 0) used.add(service)
  }
  const pruneServices = (space: protobuf.NamespaceBase): void => {
    for (const part of space.nestedArray) {
      if (part instanceof protobuf.Service) pruneMethods(part)
      else if (part instanceof protobuf.Namespace) pruneServices(part)
    }
  }
  const holdsUsed = (part: protobuf.ReflectionObject): boolean =>
    used.has(part) || (part instanceof protobuf.Namespace && part.nestedArray.some(holdsUsed))
  const pruneTypes = (space: protobuf.NamespaceBase): void => {
    for (const part of space.nestedArray) {
      if (!holdsUsed(part)) space.remove(part)
      else if (part instanceof protobuf.Namespace) pruneTypes(part)
    }
  }
  pruneServices(root)
  pruneTypes(root)
}

/** How to call one RPC: its path, and what turns messages into bytes and back. */
export type Method<N extends RpcName> = {
  readonly path: string
  readonly requestSerialize: (message: RpcMessages[N]['request']) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => RpcMessages[N]['response']
}

const methods = new Map<RpcName, Method<never>>()

/** How to call one RPC of `rpcs.ts`. */
export function methodOf<N extends RpcName>(name: N): Method<N> {
  const known = methods.get(name)
  if (known !== undefined) return known as unknown as Method<N>
  const { service, method } = RPCS[name]
  const { resolvedRequestType: request = null, resolvedResponseType: response = null } =
    definitions().lookupService(service).methods[method] ?? {}
  assert(request !== null && response !== null, `the .proto files lack ${service}/${method}`)
  const conversion = CONVERSIONS[name] ?? AS_OBJECTS
  const made: Method<N> = {
    path: `/${service}/${method}`,
    requestSerialize: (message) => request.encode(request.fromObject(message)).finish() as Buffer,
    // The caller vouches that `RpcMessages` says what the .proto files say.
    responseDeserialize: (bytes) => response.toObject(response.decode(bytes), conversion) as RpcMessages[N]['response'],
  }
  methods.set(name, made as unknown as Method<never>)
  return made
}
