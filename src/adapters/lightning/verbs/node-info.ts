import type { Lookup, NodeInfo } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import { nodeInfoOf } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'

/** Who the node is and how far it has come (money-path.md 1.11). */
export async function nodeInfo(calls: Calls): Promise<Lookup<NodeInfo>> {
  const answer = await calls.unary('getInfo', {})
  if (!answer.ok) return noAnswer(explain(classify('read', answer.error), answer.error))
  return reading("LND's description of itself", () => nodeInfoOf(answer.value))
}
