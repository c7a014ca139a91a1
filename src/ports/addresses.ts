/** Lightning addresses and lnurls: strangers' hosts that we ask for invoices (LUD-06, LUD-16). */
import type { Msat } from '../core/money.ts'
import type { Result } from '../core/result.ts'

export type AddressFailure =
  /** the text is neither a Lightning address nor a lnurl */
  | { readonly kind: 'malformed'; readonly detail: string }
  /** scheme, host, resolved address, redirect or size forbids it; the same text will fail again */
  | { readonly kind: 'forbidden'; readonly detail: string }
  /** the host did not answer in time, or answered nonsense: may work later */
  | { readonly kind: 'unavailable'; readonly detail: string }
  /** the service answers and refuses: amount out of range, `status: ERROR`, wrong tag */
  | { readonly kind: 'refused'; readonly detail: string }

export interface Addresses {
  /** Whether the text is an address or lnurl at all (so that bolt11 rules do not apply to it). No I/O. */
  looksLikeAddress(text: string): boolean
  /** Asks for the pay document and checks its tag and, when given, that the amount lies within its limits. */
  probe(text: string, amountMsat: Msat | null): Promise<Result<void, AddressFailure>>
  /** Asks for an invoice over exactly this amount. What comes back is the stranger's text, not yet checked. */
  invoice(
    text: string,
    amountMsat: Msat,
    comment: string | null,
  ): Promise<
    Result<
      { readonly request: string /** hex sha256 of the metadata */; readonly descriptionHash: string },
      AddressFailure
    >
  >
}
