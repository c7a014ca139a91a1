import type { InboundMessage, NostrEvent } from '../../core/protocol.ts'
import { err, type Result } from '../../core/result.ts'
import { type OpenFailure, openSigned, type Recipient } from '../../wire/transport.ts'

export type Opened = Result<InboundMessage, OpenFailure>

/** Checks an event's own signature and opens it: with portable curves nearly all the CPU time of a message. */
export interface Opener {
  /** Never rejects; answers come in the order of the questions. Changes nothing, so a repeat is safe. */
  open(event: NostrEvent): Promise<Opened>
}

/** Opens in this thread. A stranger's bytes that trip over a bug of ours are junk like any other. */
export function openHere(event: NostrEvent, node: Recipient): Opened {
  try {
    return openSigned(event, node)
  } catch (error) {
    return err({ stage: 'bug', why: String(error) })
  }
}

/** An opener without threads. */
export const inlineOpener = (node: Recipient): Opener => ({ open: (event) => Promise.resolve(openHere(event, node)) })
