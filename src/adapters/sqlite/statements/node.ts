import { one } from '../statement.ts'

export const node = {
  /** A new connection: nothing is claimable until node_verified. No row: unknown node. */
  node_connect: one<{ node: string }, { conn_epoch: number }>(`
    UPDATE ln_node SET conn_epoch = conn_epoch + 1 WHERE node_pubkey = :node RETURNING conn_epoch
  `),

  /**
   * Identity and sentinels held on this connection. No row: the connection was replaced, the node is halted, or
   * LND's settle index fell: halt.
   */
  node_verified: one<{ conn: number; settle_index: number; node: string }, { verified_epoch: number }>(`
    UPDATE ln_node SET verified_epoch = :conn, hi_settle_index = MAX(hi_settle_index, :settle_index)
     WHERE node_pubkey = :node AND conn_epoch = :conn AND halted = 0 AND hi_settle_index <= :settle_index
    RETURNING verified_epoch
  `),

  /** Stops every claim; the first reason stays. No row: unknown node. */
  node_halt: one<{ why: string; node: string }, { halted_why: string }>(`
    UPDATE ln_node SET halted = 1, halted_why = COALESCE(halted_why, :why) WHERE node_pubkey = :node RETURNING halted_why
  `),

  /** Operator only; the connection has to be verified again. No row: it was not halted. */
  node_clear: one<{ node: string }, { node_pubkey: string }>(`
    UPDATE ln_node SET halted = 0, halted_why = NULL, verified_epoch = 0 WHERE node_pubkey = :node AND halted = 1 RETURNING node_pubkey
  `),

  /** The first start with this node. No row: known. */
  node_add: one<{ node: string; network: string }, { node_pubkey: string }>(`
    INSERT INTO ln_node(node_pubkey, network) VALUES (:node, :network) ON CONFLICT DO NOTHING RETURNING node_pubkey
  `),

  /** Heartbeat; never goes back. No row: unknown node. */
  node_alive: one<{ node: string; now: number }, { last_alive_at: number }>(`
    UPDATE ln_node SET last_alive_at = MAX(last_alive_at, :now) WHERE node_pubkey = :node RETURNING last_alive_at
  `),
}
