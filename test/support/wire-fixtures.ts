/** The protocol's example messages and bad inputs, as recorded from the reference implementation. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const load = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../wire/fixtures/${name}`, import.meta.url), 'utf8'))

const example = z.strictObject({
  name: z.string(),
  direction: z.string(),
  /** the exact bytes of a message */
  json: z.string(),
  note: z.string().optional(),
  /** whether the reference's inbound check of payload and id accepts it */
  verify: z.boolean(),
})
export type WireExample = z.infer<typeof example>

const invalid = z.strictObject({
  name: z.string(),
  level: z.enum(['message', 'tuple-v1', 'tuple-v2', 'event']),
  json: z.string(),
  /** where the reference refuses it */
  stage: z.string(),
  /** what the sender gets from the reference */
  outcome: z.string(),
  why: z.string(),
})
export type WireInvalid = z.infer<typeof invalid>

/** Messages that parse, with their exact bytes. */
export const wireExamples: readonly WireExample[] = z.array(example).parse(load('wire-examples.json'))

/** Inputs that the reference refuses, with stage and outcome. */
export const wireInvalid: readonly WireInvalid[] = z.array(invalid).parse(load('wire-invalid.json'))

/** Names of entries whose recorded outcome fianza replaces, with the decision that does so. */
export const replacedByDecision: Readonly<Record<string, string>> = z
  .record(z.string(), z.string().regex(/^DEC-\d\d$/))
  .parse(load('replaced-by-decision.json'))

/** Bad inputs that are refused while an order is handled, not by the wire, under the reference's outcome or ours. */
export const handlerInvalid: readonly WireInvalid[] = wireInvalid.filter((entry) => entry.stage === 'handler')
