import type { CallTrouble, Lookup } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'

/** A read that gave no information. */
export const noAnswer = (detail: string): { readonly ok: false; readonly detail: string } => ({ ok: false, detail })

/** Reads an answer; what can not be read is no information, never an exception (money-path.md 0.2). */
export function reading<T>(what: string, read: () => T): Lookup<T> {
  try {
    return { ok: true, value: read() }
  } catch (error) {
    return noAnswer(`${what} can not be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The call may have been executed, and no look-up could tell. */
export function unknown(calls: Calls, detail: string): CallTrouble {
  return { class: 'U', detail, connectionLost: calls.isLost() }
}
