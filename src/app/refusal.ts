/** Exit codes of the `fianza` command, as documented in its help. */
export const EXIT = {
  ok: 0,
  /** something went wrong while doing what was asked */
  failed: 1,
  /** the command line makes no sense */
  usage: 2,
  /** `status`: no daemon works in the data directory */
  notRunning: 3,
  /** the data directory is in use; try again later */
  busy: 75,
  /** the configuration or a file that it names must be corrected first */
  config: 78,
} as const

/** We will not go on, and the operator can do something about it: the message says what. Never a bug, so no stack. */
export class Refusal extends Error {
  override readonly name: string = 'Refusal'
  readonly exitCode: number

  constructor(message: string, options: ErrorOptions & { readonly exitCode: number }) {
    super(message, options)
    this.exitCode = options.exitCode
  }
}
