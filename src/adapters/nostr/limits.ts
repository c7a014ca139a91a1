/** What a relay, or a stranger through a relay, may cost us. */
export const RELAY_LIMITS = {
  /**
   * A longer WebSocket message ends the connection. Far above what relays take from strangers, so that nobody can
   * publish an event that cuts us off whenever we ask for it.
   */
  frameBytes: 1_048_576,
  /** An event in a longer frame is dropped. The longest NIP-44 payload has 87,472 characters. */
  eventFrameChars: 131_072,
  /** What we keep of a relay's text for people. */
  messageChars: 300,
  /** NIP-42 challenges: their length, and how many we sign in the life of one connection. */
  challengeChars: 1_024,
  challenges: 3,
  /** Events we ask for at once, whatever NIP-11 offers; also our guess when it says nothing. */
  pageEvents: 500,
  /** More events than this in one page: the relay ignores `limit`, the page is given up as incomplete. */
  pageFloodEvents: 1_000,
  /** The NIP-11 document. */
  infoBytes: 65_536,
  infoMs: 5_000,
  /** Bytes waiting to be sent to one relay; above it nothing more is published there. */
  sendBufferBytes: 8_388_608,
  /** Live events remembered, so that a second relay's copy is not handed on. */
  seenEvents: 10_000,
  /** Events published to one relay that it has not answered; above it nothing more is published there. */
  unansweredPublishes: 1024,
  /** Frames without sense between two pings, after which we hang up. */
  nonsenseFrames: 1_000,
} as const
