/** A programmer's error: the row, the caller or we ourselves broke a rule that the types cannot say. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** States what must be true here; throws {@link AssertionError} when it is not. On in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The end of an exhaustive switch: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
