/** The part of the untyped `invoices` package that tests use. */
declare module 'invoices' {
  /** Decodes a BOLT 11 request and checks its signature. Throws when it is none. `mtokens` is absent without an amount. */
  export function parsePaymentRequest(args: { readonly request: string }): {
    readonly id: string
    readonly mtokens?: string
    readonly cltv_delta: number
    readonly description?: string
    /** ISO 8601 */
    readonly expires_at: string
  }
}
