import { looksLikeAddress, payUrl } from '../../adapters/lnurl/address.ts'
import type { Msat } from '../../core/money.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Addresses, AddressFailure } from '../../ports/addresses.ts'
import type { Clock } from '../../ports/system.ts'
import {
  DEFAULT_MAX_SENDABLE_MSAT,
  DEFAULT_MIN_SENDABLE_MSAT,
  payMetadata,
  type ServiceFault,
  type ServiceOptions,
} from '../lnurl/pay-document.ts'

export type FakeAddressesOptions = ServiceOptions & {
  readonly clock: Clock
  /** the one host that answers; every other is unavailable */
  readonly host: string
  /** how long a request takes, milliseconds of the clock */
  readonly latencyMs?: () => number
}

/** How long a silent host is waited for, as in the real adapter. */
const PATIENCE_MS = 4000

const FAILURE_OF: Record<ServiceFault, AddressFailure> = {
  refuses: { kind: 'refused', detail: 'no sats today' },
  down: { kind: 'unavailable', detail: 'status 503' },
  silent: { kind: 'unavailable', detail: 'no answer in time' },
  garbage: { kind: 'unavailable', detail: 'the answer holds no invoice' },
  redirects: { kind: 'forbidden', detail: 'redirects' },
  floods: { kind: 'forbidden', detail: 'answer too large' },
}

/** {@link Addresses} without a network: one host of simulated wallets, on the clock and with the faults of a simulation. */
export class FakeAddresses implements Addresses {
  readonly #options: FakeAddressesOptions

  constructor(options: FakeAddressesOptions) {
    this.#options = options
  }

  looksLikeAddress(text: string): boolean {
    return looksLikeAddress(text)
  }

  async probe(text: string, amountMsat: Msat | null): Promise<Result<void, AddressFailure>> {
    const user = await this.#ask(text, amountMsat)
    return user.ok ? ok(undefined) : user
  }

  async invoice(
    text: string,
    amountMsat: Msat,
  ): Promise<Result<{ readonly request: string; readonly descriptionHash: string }, AddressFailure>> {
    const user = await this.#ask(text, amountMsat)
    if (!user.ok) return user
    const fault = await this.#wait(user.value)
    if (fault !== null) return err(FAILURE_OF[fault])
    const { descriptionHash } = payMetadata(user.value, this.#options.host)
    return ok({ request: await this.#options.invoiceFor(user.value, amountMsat, descriptionHash), descriptionHash })
  }

  /** The pay document's part of a request: who is asked, and whether he would take the amount. */
  async #ask(text: string, amountMsat: Msat | null): Promise<Result<string, AddressFailure>> {
    const url = payUrl(text, () => false)
    if (!url.ok) return err({ kind: 'malformed', detail: url.error })
    const user = url.value.pathname.split('/').at(-1) ?? ''
    const fault = await this.#wait(user)
    if (url.value.host !== this.#options.host) return err({ kind: 'unavailable', detail: 'has no address' })
    if (!(this.#options.knows?.(user) ?? true)) return err({ kind: 'refused', detail: 'no such user' })
    if (fault !== null && fault !== 'garbage') return err(FAILURE_OF[fault])
    const { minSendableMsat = DEFAULT_MIN_SENDABLE_MSAT, maxSendableMsat = DEFAULT_MAX_SENDABLE_MSAT } = this.#options
    if (amountMsat !== null && (amountMsat < minSendableMsat || amountMsat > maxSendableMsat)) {
      return err({ kind: 'refused', detail: 'amount out of range' })
    }
    return ok(user)
  }

  /** Lets one request's time pass and says which fault it meets. */
  async #wait(user: string): Promise<ServiceFault | null> {
    const fault = this.#options.faultOf?.(user) ?? null
    const delayMs = fault === 'silent' ? PATIENCE_MS : (this.#options.latencyMs?.() ?? 0)
    await new Promise<void>((resolve) => this.#options.clock.after(delayMs, resolve))
    return fault
  }
}
