const POLL_MS = 20
const DEADLINE_MS = 30_000

/** Resolves once `holds` is true; rejects after half a minute and says what was waited for. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + DEADLINE_MS
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`)
    await new Promise<void>((resolve) => setTimeout(resolve, POLL_MS))
  }
}
