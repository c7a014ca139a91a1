/** Every duration of the adapter; milliseconds. Tests shorten them. */
export type LndTimings = {
  /** the handshake before a connection is opened, and its opening */
  readonly knockMs: number
  readonly openMs: number
  /** look-ups and lists: LND answers them from its memory or store */
  readonly readMs: number
  /** create, settle and cancel may wait for LND's registry lock and its disk */
  readonly effectMs: number
  /** silence on a connection before LND is pinged, and how long it may take to answer */
  readonly keepaliveMs: number
  readonly keepaliveAnswerMs: number
  /** how long the stream of a payment is watched before a look-up decides */
  readonly payWatchMs: number
  /** how far LND's clock may be behind ours when it dates an attempt; attempts are more than twice as far apart */
  readonly skewMs: number
}

/** money-path.md 1.12 and 3.10; LND accepts pings every five seconds. A start waits ten seconds for a connection. */
export const LND_TIMINGS: LndTimings = {
  knockMs: 3_000,
  openMs: 6_000,
  readMs: 10_000,
  effectMs: 30_000,
  keepaliveMs: 20_000,
  keepaliveAnswerMs: 10_000,
  payWatchMs: 90_000,
  skewMs: 2_000,
}
