import { existsSync, rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { builtFianza } from './build.ts'
import { torture } from './torture.ts'

const LONG_MS = 240_000
const KILLS = 8

describe('the built daemon over real sockets', () => {
  test(
    `killed ${KILLS} times in the middle of trades it loses nothing`,
    async () => {
      const report = await torture({ command: builtFianza(), kills: KILLS, seed: 1, say: () => {} })
      expect(report.findings.flatMap(({ what, differences }) => differences.map((d) => `${what}: ${d}`))).toEqual([])
      expect(report.evidence).toBeNull()
      expect(report.kills).toHaveLength(KILLS)
      expect(report.tooGentle).toBe(false)
    },
    LONG_MS,
  )

  test(
    'a sat that is moved behind its back is found, and the evidence is kept',
    async () => {
      const { findings, evidence } = await torture({
        command: builtFianza(),
        kills: 0,
        seed: 2,
        say: () => {},
        beforeAudit: ({ network }) => network.node.addLiquidity(-1000),
      })
      expect(findings.filter(({ differences }) => differences.length > 0).map(({ what }) => what)).toEqual([
        "the ledger, the node's channel and the terms",
      ])
      expect(evidence !== null && existsSync(`${evidence}/node/fianza.db`)).toBe(true)
      if (evidence !== null) rmSync(evidence, { recursive: true })
    },
    LONG_MS,
  )
})
