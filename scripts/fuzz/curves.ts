/** Native curves against portable ones: whatever they are asked, both give the same answer, or both throw. */
import { loadCurves } from '../../src/app/curves.ts'
import { assert } from '../../src/core/assert.ts'
import { type Curves, portableCurves } from '../../src/wire/curves.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'
import { bytesOf, ORDER } from '../../src/wire/schnorr.ts'
import type { Dice } from './dice.ts'
import type { Target } from './targets.ts'

const native = loadCurves('native').curves

type Answer = Uint8Array | string | boolean | null

/** The questions, by name: each takes fields of hex. */
const QUESTIONS: Readonly<Record<string, (curves: Curves, fields: readonly string[]) => Answer>> = {
  publicKey: (curves, [secret = '']) => curves.publicKey(hexToBytes(secret)),
  sign: (curves, [digest = '', secret = '', aux = '']) =>
    curves.sign(hexToBytes(digest), hexToBytes(secret), hexToBytes(aux)),
  verify: (curves, [signature = '', digest = '', key = '']) =>
    curves.verify(hexToBytes(signature), hexToBytes(digest), key),
  ecdhX: (curves, [secret = '', key = '']) => curves.ecdhX(hexToBytes(secret), key),
  recover: (curves, [signature = '', digest = '', recovery = '']) =>
    curves.recover(hexToBytes(signature), hexToBytes(digest), Number(recovery)),
}

/** Scalars and coordinates at which implementations part. */
const EDGES = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 2n ** 32n - 977n, 2n ** 256n - 1n].map((edge) =>
  bytesToHex(bytesOf(edge)),
)

const noise = (dice: Dice): Uint8Array => sha256(String(dice.below(2 ** 31)))

function validFields(question: string, dice: Dice): string[] {
  const [secret, other, digest, aux] = [noise(dice), noise(dice), noise(dice), noise(dice)]
  const key = native.publicKey(secret)
  const signature = native.sign(digest, secret, aux)
  const fields: Readonly<Record<string, readonly (Uint8Array | string)[]>> = {
    publicKey: [secret],
    sign: [digest, secret, aux],
    verify: [signature, digest, key],
    ecdhX: [other, key],
    recover: [signature, digest, String(dice.below(5))],
  }
  return (fields[question] ?? []).map((field) => (typeof field === 'string' ? field : bytesToHex(field)))
}

function damaged(field: string, dice: Dice): string {
  const at = 2 * dice.below(Math.max(1, field.length / 2))
  switch (dice.below(4)) {
    case 0:
      return dice.pick(EDGES) + field.slice(64)
    case 1:
      return field.slice(0, 64) + dice.pick(EDGES).slice(0, Math.max(0, field.length - 64))
    case 2:
      return field.slice(0, at) + field.slice(at + 2)
    default:
      return field.slice(0, at) + bytesToHex(Uint8Array.of(dice.below(256))) + field.slice(at + 2)
  }
}

/** An answer as text; the throws of different libraries are one. */
function answerOf(curves: Curves, question: string, fields: readonly string[]): string {
  try {
    const answer = QUESTIONS[question]?.(curves, fields) ?? null
    return answer instanceof Uint8Array ? bytesToHex(answer) : String(answer)
  } catch {
    return 'throws'
  }
}

export const curves: Target = {
  name: 'curves',
  inputs: 50_000,
  make(dice) {
    const question = dice.pick(Object.keys(QUESTIONS))
    const fields = validFields(question, dice)
    const broken = dice.below(3) === 0 ? -1 : dice.below(fields.length)
    return [question, ...fields.map((field, index) => (index === broken ? damaged(field, dice) : field))].join(' ')
  },
  run(input) {
    const [question = '', ...fields] = input.split(' ')
    const [expected, actual] = [answerOf(portableCurves, question, fields), answerOf(native, question, fields)]
    assert(actual === expected, `native says ${actual}, portable says ${expected}`)
    return !['throws', 'null', 'false'].includes(actual)
  },
}
