/** Which backend of the curve a daemon uses (ADR 0015). */
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { type Curves, portableCurves } from '../wire/curves.ts'
import { nativeCurves, type Secp256k1Binding } from '../wire/curves-native.ts'
import { wrongAnswerOf } from '../wire/curves-self-test.ts'
import { EXIT, Refusal } from './refusal.ts'

export type CurvesBackend = 'native' | 'portable'
export type CurvesChoice = 'auto' | CurvesBackend

export type LoadedCurves = {
  readonly backend: CurvesBackend
  readonly curves: Curves
  /** why the portable backend stands in for the native one; null when it does not */
  readonly note: string | null
}

const require = createRequire(import.meta.url)

/**
 * The native half alone: the root of the package falls back, without a word, to a JavaScript library that is not installed
 * here. Throws where the package holds no binary for this platform and none could be compiled.
 */
const requireBinding = (): Secp256k1Binding => require('secp256k1/bindings.js') as Secp256k1Binding

/**
 * The backend of the operator's choice. `auto` is the native one where it loads and gives the right answers to a few known
 * questions, else the portable one. Throws {@link Refusal} when `native` was demanded and can not be had. Repeat: safe.
 */
export function loadCurves(choice: CurvesChoice, load: () => Secp256k1Binding = requireBinding): LoadedCurves {
  const portable = { backend: 'portable', curves: portableCurves } as const
  if (choice === 'portable') return { ...portable, note: null }
  const native = tryNative(load)
  if (typeof native !== 'string') return { backend: 'native', curves: native, note: null }
  if (choice === 'auto') return { ...portable, note: native }
  throw new Refusal(
    `performance.curves is "native", but the native curves can not be used: ${native}. ` +
      '"auto" takes the portable ones in that case, which are some thirty times slower.',
    { exitCode: EXIT.config },
  )
}

/** The native backend, or in one line why there is none. */
function tryNative(load: () => Secp256k1Binding): Curves | string {
  try {
    const binding = load()
    binding.contextRandomize(new Uint8Array(randomBytes(32)))
    const curves = nativeCurves(binding)
    const wrong = wrongAnswerOf(curves)
    return wrong === null ? curves : `the self-test failed: ${wrong}`
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return reason.split('\n', 1)[0] ?? reason
  }
}
