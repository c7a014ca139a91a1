/** An outcome that the caller must look at: a value, or a named reason why there is none. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E }

/** Wraps a value. */
export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value })

/** Wraps a reason. */
export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error })
