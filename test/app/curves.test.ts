import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { loadCurves } from '../../src/app/curves.ts'
import { EXIT, Refusal } from '../../src/app/refusal.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import type { Secp256k1Binding } from '../../src/wire/curves-native.ts'
import { wrongAnswerOf } from '../../src/wire/curves-self-test.ts'

const binding = createRequire(import.meta.url)('secp256k1/bindings.js') as Secp256k1Binding

const absent = (): never => {
  throw new Error('No native build was found for platform=linux arch=arm64\n    loaded from: /somewhere')
}
/** A library that is there, and wrong. */
const wrong = (change: Partial<Secp256k1Binding>) => () => ({ ...binding, ...change })
const zeros = (bytes: number) => () => new Uint8Array(bytes)

const broken: readonly (readonly [string, Partial<Secp256k1Binding>, string])[] = [
  ['gives another public key', { publicKeyCreate: zeros(33) }, 'a public key'],
  ['adds nothing when it signs', { privateKeyTweakAdd: (secret) => secret }, 'a signature'],
  ['recovers nothing', { ecdsaRecover: zeros(33) }, 'a signature that holds'],
  ['shares nothing', { ecdh: zeros(32) }, 'a shared secret'],
]

describe('the curves of a daemon', () => {
  it('are the native ones where they load', () => {
    expect(loadCurves('auto')).toMatchObject({ backend: 'native', curves: { name: 'libsecp256k1' }, note: null })
    expect(loadCurves('native')).toMatchObject({ backend: 'native', note: null })
  })

  it('are the portable ones when the operator wants them, and nothing is loaded', () => {
    expect(loadCurves('portable', absent)).toEqual({ backend: 'portable', curves: portableCurves, note: null })
  })

  it('are the portable ones where the native ones do not load, with the reason in one line', () => {
    const note = 'No native build was found for platform=linux arch=arm64'
    expect(loadCurves('auto', absent)).toEqual({ backend: 'portable', curves: portableCurves, note })
  })

  it.each(broken)('are the portable ones when the native library %s', (_what, change, check) => {
    const loaded = loadCurves('auto', wrong(change))
    expect(loaded).toMatchObject({ backend: 'portable', curves: portableCurves })
    expect(loaded.note).toContain(`the self-test failed: ${check}`)
  })

  it.each([
    ['do not load', absent, /"native".*No native build was found/],
    ['are wrong', wrong({ ecdh: zeros(32) }), /"native".*the self-test failed/],
  ])('are refused when they were demanded and %s', (_what, load, message) => {
    expect(() => loadCurves('native', load)).toThrow(message)
    expect(() => loadCurves('native', load)).toThrow(Refusal)
    expect(() => loadCurves('native', load)).toThrow(expect.objectContaining({ exitCode: EXIT.config }))
  })

  it('pass the self-test, portable and native', () => {
    expect(wrongAnswerOf(portableCurves)).toBeNull()
    expect(wrongAnswerOf(loadCurves('native').curves)).toBeNull()
  })

  it('fail the self-test when they throw, with the reason', () => {
    const throwing = {
      ...portableCurves,
      ecdhX: () => {
        throw new Error('no such point')
      },
    }
    expect(wrongAnswerOf(throwing)).toBe('a shared secret: no such point')
  })
})
