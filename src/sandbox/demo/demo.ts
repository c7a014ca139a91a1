/** Trades from end to end: a daemon in a process of its own, three traders, and at the end an account of every sat. */
import { readRecords } from '../../app/records.ts'
import { EXIT, Refusal } from '../../app/refusal.ts'
import { msat } from '../../core/money.ts'
import { startWorld, type World } from '../world.ts'
import { type AuditRow, audit, type Trade } from './audit.ts'
import { DaemonProcess } from './daemon-process.ts'
import { Party } from './party.ts'
import { SCENES } from './scenes.ts'

/** Told of what happens, as it happens. */
export type Narrator = {
  readonly scene: (number: number, title: string) => void
  readonly begun: (what: string) => void
  readonly done: (what: string, tookMs: number) => void
  readonly failed: (what: string, why: string) => void
}

export type DemoOptions = {
  /** how to call `fianza` */
  readonly command: readonly [string, ...string[]]
  readonly narrator: Narrator
  /** numbers of the scenes to play, from 1; all when absent */
  readonly only?: readonly number[]
  /** called when the daemon has stopped and before anything is counted: where a test moves a sat */
  readonly beforeAudit?: (world: World) => Promise<void> | void
}

/**
 * Plays the scenes, stops the daemon and counts. Throws {@link Refusal} when a step fails or does not come to its end; what was started
 * is ended in any case.
 */
export async function runDemo({ command, narrator, only, beforeAudit }: DemoOptions): Promise<AuditRow[]> {
  const world = await startWorld()
  const daemon = new DaemonProcess(command, world.nodeDir)
  const parties: Party[] = []
  try {
    await daemon.start()
    const nodeStartMsat = world.network.totals().nodeMsat
    const join = (name: Party['name']): Party => {
      const party = new Party(world, name)
      parties.push(party)
      return party
    }
    const [alice, bob, carol] = [join('alice'), join('bob'), join('carol')]
    const trades: Trade[] = []
    const stage = {
      world,
      daemon,
      alice,
      bob,
      carol,
      step: stepsOf(narrator),
      record: (trade: Trade) => void trades.push(trade),
    }
    for (const [index, scene] of SCENES.entries()) {
      if (only !== undefined && !only.includes(index + 1)) continue
      narrator.scene(index + 1, scene.title)
      await scene.play(stage)
    }
    await Promise.all(parties.map((party) => party.settled()))
    await daemon.stop()
    await beforeAudit?.(world)
    return count(world, { alice, bob, carol }, nodeStartMsat, trades)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Refusal(`${why}\n\nThe last words of the daemon:\n${daemon.lastWords()}`, {
      exitCode: EXIT.failed,
      cause: error,
    })
  } finally {
    await Promise.all(parties.map((party) => party.close()))
    await daemon.stop()
    await world.close()
  }
}

function stepsOf(narrator: Narrator) {
  return async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now()
    narrator.begun(what)
    try {
      const result = await work()
      narrator.done(what, performance.now() - startedMs)
      return result
    } catch (error) {
      narrator.failed(what, error instanceof Error ? error.message : String(error))
      throw error
    }
  }
}

function count(
  world: World,
  parties: Readonly<Record<Party['name'], Party>>,
  nodeStartMsat: number,
  trades: readonly Trade[],
): AuditRow[] {
  world.network.checkConservation()
  const ledger = readRecords(world.nodeDir, (records) => ({
    transfers: records.transfers(Number.MAX_SAFE_INTEGER),
    accounts: records.accounts(),
  }))
  const change = ({ wallet, startMsat, routingMsat }: Party): number => wallet.balanceMsat() - startMsat + routingMsat
  const paid = world.network.node.payments().filter(({ state }) => state === 'succeeded')
  return audit(trades, ledger, {
    wallets: { alice: change(parties.alice), bob: change(parties.bob), carol: change(parties.carol) },
    nodeMsat: world.network.totals().nodeMsat - nodeStartMsat,
    nodeRoutingMsat: paid.reduce((total, { feeMsat }) => msat(total + feeMsat), msat(0)),
  })
}
