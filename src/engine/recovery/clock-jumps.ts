/** What a jump of the host's clock makes of times that were written down (ADR 0014). */
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { alert } from '../say.ts'
import { CLOCK_BEHIND, CLOCK_JUMPED, CLOCK_REFUSED, JUMP_MS, type Jump } from '../watched-clock.ts'
import { FIRST_START } from './catch-up.ts'

/** The cursor of a relay that was read completely stays this far behind the clock: well inside the overlap. */
export const CURSOR_LAG_S = 60

/**
 * What the clock skipped is nobody's fault; what it made us leave or believe read is read again. `isServing`: before that,
 * the time since the last run is blind anyway.
 */
export function writeJump(ctx: Ctx, tx: Tx, { byMs, driftMs }: Jump, isServing: boolean): void {
  const byS = Math.round(byMs / 1000)
  if (byS > 0 && isServing) {
    tx.s.blind_open({ kind: 'down', at: tx.nowS - byS })
    tx.s.blind_close({ kind: 'down', at: tx.nowS })
  }
  if (byS < 0) cameBack(ctx, tx, -byS)
  readAgainFrom(tx, tx.surelyS - CURSOR_LAG_S)
  tx.s.alert_close({ key: byS > 0 ? CLOCK_BEHIND : CLOCK_REFUSED, now: tx.nowS })
  if (Math.abs(driftMs) < JUMP_MS) tx.s.alert_close({ key: CLOCK_JUMPED, now: tx.nowS })
  else
    alert(
      ctx,
      tx,
      CLOCK_JUMPED,
      2,
      `the clock of this machine moved ${Math.abs(byS)} s ${byS < 0 ? 'back' : 'forward'} at once: if it is wrong now, correct it; if it is right, nothing is to be done`,
    )
  // They sleep until times of the clock as it was.
  for (const poke of Object.values(ctx.poke)) tx.after(poke)
}

/** A clock that came back makes no pause longer than it was meant to be: retries, leases (F-097), the time of a trader. */
export function cameBack(ctx: Ctx, tx: Tx, byS: number): void {
  const back = { by: byS, now: tx.nowS }
  tx.s.ops_sooner(back)
  tx.s.outbox_sooner(back)
  tx.s.pubs_sooner(back)
  tx.s.resolves_sooner(back)
  tx.s.duties_sooner({ now: tx.nowS })
  tx.s.blind_sooner({ now: tx.nowS })
  for (const poke of Object.values(ctx.poke)) tx.after(poke)
}

/** Of every relay, what came after a time counts as not read. */
export function readAgainFrom(tx: Tx, cursor: number): void {
  tx.s.relay_cursors_back({ cursor })
  const firstStartS = Number(tx.s.meta_get({ key: FIRST_START })?.value ?? 0)
  if (firstStartS > tx.nowS) tx.s.meta_put({ key: FIRST_START, value: String(tx.nowS) })
}
