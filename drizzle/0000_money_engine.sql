-- The first schema: orders, the money engine, messages, the daemon's own notes (money-path.md 3.2).
-- Times are unix seconds, amounts millisats, heights blocks. JSON columns are closed unions with a version tag,
-- each with one parser, parsed once when read.

-- ---------------------------------------------------------------- the Lightning node we trust

CREATE TABLE ln_node (
  node_pubkey     TEXT PRIMARY KEY,
  network         TEXT NOT NULL DEFAULT 'mainnet',
  hi_settle_index INTEGER NOT NULL DEFAULT 0,    -- a lower one at LND = restored or replaced
  conn_epoch      INTEGER NOT NULL DEFAULT 0,    -- raised by every new connection
  verified_epoch  INTEGER NOT NULL DEFAULT 0,    -- the connection whose identity and sentinels held
  last_alive_at   INTEGER NOT NULL DEFAULT 0,    -- heartbeat: how old is this database after a restore?
  halted          INTEGER NOT NULL DEFAULT 0 CHECK (halted IN (0, 1)),
  halted_why      TEXT,
  CHECK (verified_epoch <= conn_epoch),
  CHECK ((halted = 1) = (halted_why IS NOT NULL))
) STRICT;
--> statement-breakpoint
-- ---------------------------------------------------------------- orders

CREATE TABLE orders (
  id         TEXT PRIMARY KEY,                   -- UUID from HMAC(money seed, id of the new-order event)
  kind       TEXT NOT NULL CHECK (kind IN ('buy','sell')),                      -- the maker's side
  status     TEXT NOT NULL CHECK (status IN ('waiting-maker-bond','pending','waiting-taker-bond','waiting-buyer-invoice',
               'waiting-payment','active','fiat-sent','dispute','settled-hold-invoice','success','canceled',
               'cooperatively-canceled','canceled-by-admin','expired')),        -- the wire statuses that are ever stored
  phase      TEXT NOT NULL DEFAULT 'steady' CHECK (phase IN
               ('steady','opening','releasing','refunding','timing-out','resolving','review')),
  version    INTEGER NOT NULL DEFAULT 1,         -- raised by every change a party could notice, a reissued invoice included

  maker_pubkey   TEXT NOT NULL,                  -- trade key; the maker may change it while nobody took the order
  maker_identity TEXT NOT NULL,                  -- equals the trade key in full-privacy mode
  maker_index    INTEGER,                        -- trade index; NULL in full-privacy mode
  taker_pubkey   TEXT,                           -- all NULL while nobody took it
  taker_identity TEXT,
  taker_index    INTEGER,

  fiat_code      TEXT NOT NULL,
  fiat_amount    INTEGER NOT NULL DEFAULT 0 CHECK (fiat_amount >= 0),           -- 0 = a range, amount not chosen yet
  min_amount     INTEGER,
  max_amount     INTEGER,
  payment_method TEXT NOT NULL,
  premium        INTEGER NOT NULL DEFAULT 0,     -- percent
  price_from_api INTEGER NOT NULL CHECK (price_from_api IN (0, 1)),
  amount_msat    INTEGER NOT NULL DEFAULT 0 CHECK (amount_msat >= 0),           -- 0 = market price, fixed by the take
  fee_msat       INTEGER NOT NULL DEFAULT 0 CHECK (fee_msat >= 0),              -- per party
  dev_fee_msat   INTEGER NOT NULL DEFAULT 0 CHECK (dev_fee_msat >= 0),

  maker_destination TEXT,                        -- JSON: what the maker of a buy order gave; survives an undone take
  buyer_destination TEXT,                        -- JSON: of the present take
  cancel_initiator  TEXT CHECK (cancel_initiator IN ('buyer','seller')),        -- who asked for a cooperative cancel
  next_trade_pubkey TEXT,                        -- the key that the maker gave for the remainder of a range
  next_trade_index  INTEGER,
  range_parent      TEXT REFERENCES orders(id),

  created_at     INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL,               -- end of the take window
  taken_at       INTEGER,
  duty_epoch     INTEGER NOT NULL DEFAULT 0,     -- which asking: part of the cause id of its request
  duty_anchor_at INTEGER,                        -- when the present duty's request was queued
  duty_ok_at     INTEGER,                        -- first relay acceptance of that request; no penalty without it
  settled_at     INTEGER,                        -- when LND confirmed the settle of the escrow

  CHECK (CASE phase
    WHEN 'opening'    THEN status IN ('waiting-maker-bond','pending','waiting-taker-bond','waiting-buyer-invoice')
    WHEN 'timing-out' THEN status IN ('waiting-buyer-invoice','waiting-payment')
    WHEN 'releasing'  THEN status IN ('active','fiat-sent','dispute')
    WHEN 'resolving'  THEN status IN ('active','fiat-sent','dispute')
    WHEN 'refunding'  THEN status IN ('canceled','cooperatively-canceled','expired')
    ELSE 1 END),
  CHECK ((taker_pubkey IS NULL) = (taker_identity IS NULL)),
  CHECK (taker_pubkey <> maker_pubkey),
  CHECK (taker_index IS NULL OR taker_pubkey IS NOT NULL),
  CHECK (taker_pubkey IS NULL OR NOT (status = 'pending' AND phase = 'steady')),              -- the book has no takers ..
  CHECK (taker_pubkey IS NOT NULL OR status NOT IN ('waiting-buyer-invoice','waiting-payment','active','fiat-sent',
           'dispute','settled-hold-invoice','success')),                                       -- .. and a trade has one
  CHECK ((min_amount IS NULL) = (max_amount IS NULL)),
  CHECK (min_amount IS NULL OR 0 < min_amount AND min_amount <= max_amount),
  CHECK ((next_trade_pubkey IS NULL) = (next_trade_index IS NULL)),
  CHECK (duty_ok_at IS NULL OR duty_anchor_at IS NOT NULL),
  CHECK (range_parent <> id)
) STRICT;
--> statement-breakpoint
CREATE INDEX orders_duty   ON orders(duty_anchor_at, duty_ok_at) WHERE phase = 'steady'
  AND status IN ('waiting-maker-bond','waiting-taker-bond','waiting-buyer-invoice','waiting-payment');
--> statement-breakpoint
CREATE INDEX orders_book   ON orders(expires_at) WHERE status = 'pending';
--> statement-breakpoint
CREATE INDEX orders_parent ON orders(range_parent) WHERE range_parent IS NOT NULL;
--> statement-breakpoint
-- open = not terminal; a query repeats the list word by word, else the planner does not see that the index fits
CREATE INDEX orders_open_maker_identity ON orders(maker_identity)
  WHERE status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired');
--> statement-breakpoint
CREATE INDEX orders_open_taker_identity ON orders(taker_identity)
  WHERE status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired');
--> statement-breakpoint
-- a key still speaks for its trade after a success: it rates
CREATE INDEX orders_kept_maker_key ON orders(maker_pubkey)
  WHERE status NOT IN ('canceled','cooperatively-canceled','canceled-by-admin','expired');
--> statement-breakpoint
CREATE INDEX orders_kept_taker_key ON orders(taker_pubkey)
  WHERE status NOT IN ('canceled','cooperatively-canceled','canceled-by-admin','expired');
--> statement-breakpoint
CREATE TRIGGER orders_origin_stays BEFORE UPDATE OF id, kind, maker_identity, created_at, range_parent ON orders
  BEGIN SELECT RAISE(ABORT, 'the origin of an order never changes'); END;
--> statement-breakpoint
CREATE TRIGGER orders_version_rises BEFORE UPDATE OF version ON orders
  WHEN NEW.version <= OLD.version
  BEGIN SELECT RAISE(ABORT, 'a version only rises'); END;
--> statement-breakpoint
CREATE TRIGGER orders_kept BEFORE DELETE ON orders
  BEGIN SELECT RAISE(ABORT, 'orders are kept'); END;
--> statement-breakpoint
-- ---------------------------------------------------------------- holds: one row per hold invoice ever planned

CREATE TABLE hold (
  hash            TEXT PRIMARY KEY,
  purpose         TEXT NOT NULL CHECK (purpose IN ('escrow','taker_bond','maker_bond')),
  counter         INTEGER NOT NULL UNIQUE,       -- preimage = HMAC(money seed, purpose || counter); also in the memo
  order_id        TEXT NOT NULL REFERENCES orders(id),
  bond_id         TEXT,
  epoch           INTEGER NOT NULL DEFAULT 1,    -- 2, 3 .. for a reissue or a retake
  amount_msat     INTEGER NOT NULL CHECK (amount_msat > 0),
  cltv_delta      INTEGER NOT NULL,
  life_s          INTEGER NOT NULL,              -- invoice life, counted from dispatch
  expires_at      INTEGER,                       -- set by every claim of the create, corrected at adoption
  memo            TEXT NOT NULL,
  request         TEXT,                          -- NULL = not adopted: nobody has been given it
  request_key     TEXT,                          -- the client request that is answered at adoption
  answer_by       INTEGER,                       -- first hold of a take or new-order only; NULL once adopted
  node_pubkey     TEXT NOT NULL REFERENCES ln_node(node_pubkey),
  rank            INTEGER NOT NULL DEFAULT 0 CHECK (rank BETWEEN 0 AND 3),   -- 0 none 1 open 2 accepted 3 final
  final           TEXT CHECK (final IN ('settled','canceled')),
  held_msat       INTEGER,                       -- what arrived; stays after a cancel
  held_at         INTEGER,
  min_htlc_height INTEGER,
  settle_index    INTEGER,                       -- LND's, for the sentinels
  final_at        INTEGER,
  htlc_resolved   INTEGER NOT NULL DEFAULT 0,
  decision        TEXT NOT NULL DEFAULT 'none' CHECK (decision IN ('none','settle','cancel')),
  decided_at      INTEGER,
  decided_by      TEXT,                          -- inner message id, timer id or operator
  decided_why     TEXT,                          -- JSON: reason, frozen split, recipients, windows, range child
  version         INTEGER NOT NULL DEFAULT 1,
  created_at      INTEGER NOT NULL,
  CHECK ((final IS NULL) = (rank < 3)),
  CHECK ((purpose = 'escrow') = (bond_id IS NULL)),
  CHECK ((decision = 'none') = (decided_by IS NULL))
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX hold_one_escrow ON hold(order_id)
  WHERE purpose = 'escrow' AND decision <> 'cancel' AND (final IS NULL OR final = 'settled');
--> statement-breakpoint
CREATE UNIQUE INDEX hold_epoch ON hold(order_id, purpose, COALESCE(bond_id, ''), epoch);
--> statement-breakpoint
CREATE INDEX hold_live    ON hold(order_id, hash) WHERE final IS NULL;
--> statement-breakpoint
CREATE INDEX hold_clock   ON hold(min_htlc_height) WHERE final IS NULL AND rank = 2;
--> statement-breakpoint
CREATE INDEX hold_answer  ON hold(answer_by) WHERE answer_by IS NOT NULL;
--> statement-breakpoint
CREATE INDEX hold_settled ON hold(settle_index) WHERE final = 'settled';
--> statement-breakpoint
CREATE INDEX hold_unresolved ON hold(final_at) WHERE final = 'settled' AND htlc_resolved = 0;
--> statement-breakpoint
CREATE TRIGGER hold_decided_once BEFORE UPDATE OF decision, decided_at, decided_by, decided_why ON hold
  WHEN OLD.decision <> 'none'
  BEGIN SELECT RAISE(ABORT, 'a decision never changes'); END;
--> statement-breakpoint
CREATE TRIGGER hold_final_once BEFORE UPDATE OF final ON hold
  WHEN OLD.final IS NOT NULL AND NEW.final IS NOT OLD.final
  BEGIN SELECT RAISE(ABORT, 'a final fact never changes'); END;
--> statement-breakpoint
CREATE TRIGGER hold_rank_rises BEFORE UPDATE OF rank ON hold
  WHEN NEW.rank < OLD.rank
  BEGIN SELECT RAISE(ABORT, 'rank only rises'); END;
--> statement-breakpoint
CREATE TRIGGER hold_kept BEFORE DELETE ON hold
  BEGIN SELECT RAISE(ABORT, 'holds are kept'); END;
--> statement-breakpoint
-- what became of a hold, computed and stored nowhere
CREATE VIEW hold_fate AS
  SELECT hash, order_id, bond_id, purpose,
         CASE WHEN final = 'settled' THEN 'taken'
              WHEN final = 'canceled' AND decision <> 'cancel' AND COALESCE(held_msat, 0) > 0 THEN 'lost'
              WHEN final = 'canceled' THEN 'returned'
              WHEN decision = 'settle' THEN 'taking'
              WHEN decision = 'cancel' THEN 'returning'
              WHEN rank = 2 THEN 'held' ELSE 'waiting' END AS fate
    FROM hold;
--> statement-breakpoint
-- ---------------------------------------------------------------- obligations: sats we owe somebody

CREATE TABLE obligation (
  id               TEXT PRIMARY KEY,             -- <kind>:<order, bond or dispute>
  kind             TEXT NOT NULL CHECK (kind IN ('buyer_payout','bond_payout','maker_refund','dev_fee','solver_reward',
                     'overpayment','custody')),
  order_id         TEXT NOT NULL REFERENCES orders(id),
  bond_id          TEXT,
  payee            TEXT,                         -- NULL only while nobody has been named (custody)
  amount_msat      INTEGER NOT NULL CHECK (amount_msat > 0),
  max_fee_msat     INTEGER NOT NULL CHECK (max_fee_msat >= 0),
  state            TEXT NOT NULL CHECK (state IN ('blocked','need_destination','ready','paid','forfeited','void','review')),
  review_why       TEXT CHECK (review_why IN ('payee-exhausted','late-success','awaiting-verdict','operator-pays','conflict')),
  funded_by        TEXT REFERENCES hold(hash),   -- payable only when this hold is final = settled
  window_s         INTEGER,                      -- frozen claim window; NULL = never forfeits
  anchor_at        INTEGER,                      -- set once, when the money is ours
  claim_until      INTEGER,
  attempts_max     INTEGER NOT NULL CHECK (attempts_max > 0),   -- frozen policy: payee-fault failures per invoice
  retry_s          INTEGER NOT NULL CHECK (retry_s > 0),        -- frozen policy: between attempts
  destination      TEXT,                         -- JSON {v, kind, request | address}
  destination_rev  INTEGER NOT NULL DEFAULT 0,
  prompts          INTEGER NOT NULL DEFAULT 0,
  last_prompt_at   INTEGER,
  prompt_ok_at     INTEGER,                      -- first relay acceptance of a prompt of the present asking
  failures         INTEGER NOT NULL DEFAULT 0,   -- payee-fault, of the present destination, saturating
  resolve_failures INTEGER NOT NULL DEFAULT 0,   -- address lookups in a row that gave no invoice
  looking_up       INTEGER NOT NULL DEFAULT 0 CHECK (looking_up IN (0,1)),  -- a look-up is under way, or was when we died
  next_at          INTEGER NOT NULL DEFAULT 0,   -- address lookups: next one, and who owns it
  paid_op          TEXT,
  version          INTEGER NOT NULL DEFAULT 1,
  created_at       INTEGER NOT NULL,
  CHECK ((state = 'paid') = (paid_op IS NOT NULL)),
  CHECK ((state = 'review') = (review_why IS NOT NULL)),
  CHECK (state IN ('blocked','void') OR anchor_at IS NOT NULL),
  CHECK (payee IS NOT NULL OR state IN ('blocked','review','void')),
  CHECK (state <> 'ready' OR destination IS NOT NULL)
) STRICT;
--> statement-breakpoint
CREATE INDEX obligation_open  ON obligation(state) WHERE state NOT IN ('paid','forfeited','void');
--> statement-breakpoint
CREATE INDEX obligation_funds ON obligation(funded_by) WHERE funded_by IS NOT NULL;
--> statement-breakpoint
CREATE INDEX obligation_order ON obligation(order_id);
--> statement-breakpoint
CREATE TRIGGER obligation_anchor_once BEFORE UPDATE OF anchor_at, claim_until ON obligation
  WHEN OLD.anchor_at IS NOT NULL AND (NEW.anchor_at IS NOT OLD.anchor_at OR NEW.claim_until IS NOT OLD.claim_until)
  BEGIN SELECT RAISE(ABORT, 'an anchor never moves'); END;
--> statement-breakpoint
CREATE TRIGGER obligation_frozen BEFORE UPDATE OF amount_msat, max_fee_msat, kind, funded_by, window_s ON obligation
  WHEN OLD.state <> 'blocked'
  BEGIN SELECT RAISE(ABORT, 'amounts are frozen once funded'); END;
--> statement-breakpoint
CREATE TRIGGER obligation_paid_stays BEFORE UPDATE OF state ON obligation
  WHEN OLD.state = 'paid' AND NEW.state <> 'paid'
  BEGIN SELECT RAISE(ABORT, 'paid stays paid'); END;
--> statement-breakpoint
CREATE TRIGGER obligation_payee_once BEFORE UPDATE OF payee ON obligation
  WHEN OLD.payee IS NOT NULL AND NEW.payee IS NOT OLD.payee
  BEGIN SELECT RAISE(ABORT, 'a payee never changes'); END;
--> statement-breakpoint
CREATE TRIGGER obligation_kept BEFORE DELETE ON obligation
  BEGIN SELECT RAISE(ABORT, 'obligations are kept'); END;
--> statement-breakpoint
-- a payment hash serves one obligation ever; reserved by the transaction that admits the invoice
CREATE TABLE payout_hash (
  hash        TEXT PRIMARY KEY,
  owner       TEXT NOT NULL,                     -- the obligation id it is meant for (known before the row exists)
  payee       TEXT NOT NULL,
  admitted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX payout_hash_owner ON payout_hash(owner);
--> statement-breakpoint
-- ---------------------------------------------------------------- the intent journal

CREATE TABLE ln_op (
  id            TEXT PRIMARY KEY,                -- hold: <kind>:<hash>; pay: pay:<obligation>:<destination_rev>
  kind          TEXT NOT NULL CHECK (kind IN ('hold_create','hold_settle','hold_cancel','pay')),
  hash          TEXT NOT NULL,
  obligation_id TEXT REFERENCES obligation(id),
  node_pubkey   TEXT NOT NULL REFERENCES ln_node(node_pubkey),
  params        TEXT NOT NULL,                   -- JSON {v, ..}, complete: a retry needs nothing else
  dest_pubkey   TEXT,
  request_expires_at INTEGER,
  state         TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned','dispatching','unknown','in_flight','done','refused','void')),
  attempt       INTEGER NOT NULL DEFAULT 0,      -- fence
  attempt_at    INTEGER,
  unacked       INTEGER NOT NULL DEFAULT 0,      -- attempts that LND neither answered nor provably never received
  acked_attempt INTEGER NOT NULL DEFAULT 0,      -- newest attempt that LND has spoken about
  known         INTEGER NOT NULL DEFAULT 0 CHECK (known IN (0, 1)),   -- pay: LND once reported a payment under this hash
  last_lost_at  INTEGER,                         -- when the connection of an unacked attempt died
  boot_id       TEXT,
  conn          INTEGER,                         -- connection epoch of the claim
  lease_until   INTEGER,
  next_at       INTEGER NOT NULL,
  last_class    TEXT,
  last_detail   TEXT,
  result        TEXT,                            -- JSON {v, preimage, fee_msat, creation_time_ns ..}
  version       INTEGER NOT NULL DEFAULT 1,
  created_at    INTEGER NOT NULL,
  CHECK ((kind = 'pay') = (obligation_id IS NOT NULL)),
  CHECK (kind <> 'pay' OR request_expires_at IS NOT NULL),
  CHECK (state <> 'dispatching' OR (boot_id IS NOT NULL AND lease_until IS NOT NULL AND conn IS NOT NULL))
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX ln_op_one_pay    ON ln_op(obligation_id) WHERE kind = 'pay' AND state NOT IN ('refused','void');
--> statement-breakpoint
CREATE UNIQUE INDEX ln_op_pay_hash   ON ln_op(hash) WHERE kind = 'pay' AND state <> 'void';
--> statement-breakpoint
CREATE UNIQUE INDEX ln_op_create     ON ln_op(hash) WHERE kind = 'hold_create';
--> statement-breakpoint
CREATE UNIQUE INDEX ln_op_one_ending ON ln_op(hash) WHERE kind IN ('hold_settle','hold_cancel') AND state NOT IN ('refused','void');
--> statement-breakpoint
CREATE INDEX ln_op_hash ON ln_op(hash);
--> statement-breakpoint
CREATE INDEX ln_op_due  ON ln_op(next_at) WHERE state IN ('planned','dispatching','unknown','in_flight');
--> statement-breakpoint
CREATE INDEX ln_op_busy ON ln_op(dest_pubkey) WHERE kind = 'pay' AND state IN ('dispatching','unknown','in_flight');
--> statement-breakpoint
CREATE INDEX ln_op_paid ON ln_op(created_at) WHERE kind = 'pay' AND state = 'done';
--> statement-breakpoint
CREATE INDEX ln_op_abandoned ON ln_op(created_at) WHERE kind = 'pay' AND state = 'refused' AND unacked > 0;
--> statement-breakpoint
CREATE INDEX ln_op_lease ON ln_op(lease_until) WHERE state = 'dispatching';
--> statement-breakpoint
CREATE INDEX ln_op_obligation ON ln_op(obligation_id) WHERE obligation_id IS NOT NULL;
--> statement-breakpoint
CREATE TRIGGER ln_op_fits_decision BEFORE INSERT ON ln_op
  WHEN NEW.kind <> 'pay' AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.hash = NEW.hash AND h.decision =
         CASE NEW.kind WHEN 'hold_settle' THEN 'settle' WHEN 'hold_cancel' THEN 'cancel' ELSE 'none' END)
  BEGIN SELECT RAISE(ABORT, 'intent contradicts the decision'); END;
--> statement-breakpoint
CREATE TRIGGER ln_op_done_stays BEFORE UPDATE OF state ON ln_op
  WHEN OLD.state IN ('done','refused','void') AND NEW.state <> OLD.state AND NOT (OLD.kind = 'hold_cancel' AND OLD.state = 'done')
  BEGIN SELECT RAISE(ABORT, 'a finished intent stays finished'); END;
--> statement-breakpoint
CREATE TRIGGER ln_op_kept BEFORE DELETE ON ln_op
  BEGIN SELECT RAISE(ABORT, 'intents are kept'); END;
--> statement-breakpoint
-- what an obligation looks like to a person: the stored state, or 'paying' while a payment may exist
CREATE VIEW obligation_now AS
  SELECT o.*, CASE WHEN o.state = 'ready' AND EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = o.id
                          AND p.kind = 'pay' AND p.state IN ('dispatching','unknown','in_flight'))
                   THEN 'paying' ELSE o.state END AS shown
    FROM obligation o;
--> statement-breakpoint
-- ---------------------------------------------------------------- the ledger: transfers, balanced by construction

CREATE TABLE account (                           -- kept by the trigger below
  name   TEXT PRIMARY KEY,                       -- ln | owed:<obligation> | fee | share | donated | routing | loss
  debit  INTEGER NOT NULL DEFAULT 0,
  credit INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE ledger (
  id       TEXT PRIMARY KEY,                     -- <cause>:<ordinal>: settle:<hash>:0, paid:<op>:1, forfeit:<obligation>:0
  debit    TEXT NOT NULL,
  credit   TEXT NOT NULL,
  msat     INTEGER NOT NULL CHECK (msat > 0),
  cause    TEXT NOT NULL,
  order_id TEXT,
  at       INTEGER NOT NULL,
  CHECK (debit <> credit)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX ledger_cause ON ledger(cause);
--> statement-breakpoint
CREATE TRIGGER ledger_balances AFTER INSERT ON ledger BEGIN
  INSERT INTO account(name, debit) VALUES (NEW.debit, NEW.msat) ON CONFLICT(name) DO UPDATE SET debit = account.debit + excluded.debit;
  INSERT INTO account(name, credit) VALUES (NEW.credit, NEW.msat) ON CONFLICT(name) DO UPDATE SET credit = account.credit + excluded.credit;
END;
--> statement-breakpoint
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--> statement-breakpoint
-- ---------------------------------------------------------------- relays, inbox, requests

CREATE TABLE relay (
  url        TEXT PRIMARY KEY,
  configured INTEGER NOT NULL DEFAULT 1,
  cursor     INTEGER NOT NULL DEFAULT 0          -- moves only over a complete range
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE inbox (
  outer_id    TEXT PRIMARY KEY,
  inner_id    TEXT,                              -- id of the decrypted inner event, recomputed; NULL = the outer one
  sender      TEXT,
  verdict     TEXT NOT NULL CHECK (verdict IN ('effect','refused','repeat','dropped','failed','quarantined')),
  received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX inbox_inner ON inbox(inner_id) WHERE inner_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX inbox_gc ON inbox(received_at);
--> statement-breakpoint
CREATE TABLE in_hand (                           -- written only while catching up after an unclean exit
  outer_id TEXT PRIMARY KEY,
  exits    INTEGER NOT NULL DEFAULT 0,           -- unclean ones at which it was in hand, alone
  held     INTEGER NOT NULL DEFAULT 1 CHECK (held IN (0,1))  -- in hand of the present process
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE request (                           -- accepted mutations with a non-null request_id, 24 h
  key           TEXT PRIMARY KEY,                -- SHA-256(sender || canonical message JSON)
  order_id      TEXT NOT NULL REFERENCES orders(id),
  order_version INTEGER,                         -- of the order when the answer was queued
  answer_msg    INTEGER REFERENCES outbox_msg(id),   -- NULL = effect pending
  created_at    INTEGER NOT NULL,
  CHECK ((order_version IS NULL) = (answer_msg IS NULL))
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX request_gc ON request(created_at);
--> statement-breakpoint
CREATE INDEX request_answer_msg ON request(answer_msg) WHERE answer_msg IS NOT NULL;
--> statement-breakpoint
-- ---------------------------------------------------------------- outbox

CREATE TABLE outbox_seq (                        -- one row a recipient; collected after 30 idle days without messages
  recipient       TEXT PRIMARY KEY,
  n               INTEGER NOT NULL DEFAULT 0,
  last_created_at INTEGER NOT NULL DEFAULT 0,    -- newest inner created_at given out
  transport       INTEGER,                       -- 1 gift wrap, 2 kind 14; NULL = configured default
  transport_at    INTEGER NOT NULL DEFAULT 0,    -- inner created_at of the message that set it
  touched_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX outbox_seq_gc ON outbox_seq(touched_at);
--> statement-breakpoint
CREATE TABLE outbox_msg (
  id          INTEGER PRIMARY KEY,
  recipient   TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  dedup_key   TEXT NOT NULL UNIQUE,              -- cause id || ordinal within the decision
  order_id    TEXT,
  obligation_id TEXT,                            -- a prompt of this obligation
  lane        INTEGER NOT NULL,                  -- 0 money and trade, 1 replies, 2 bulk
  asks        INTEGER NOT NULL DEFAULT 0,        -- asks its reader for an act
  transport   INTEGER NOT NULL,
  ev_created_at INTEGER NOT NULL,                -- of the inner event
  body        TEXT NOT NULL,                     -- finished inner message; the wrapped event is derived from it
  state       INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3),   -- 0 queued 1 partly 2 sent 3 dead
  first_ok_at INTEGER,
  tries       INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER NOT NULL,
  dead_why    TEXT,
  created_at  INTEGER NOT NULL,
  UNIQUE (recipient, seq),
  CHECK ((state = 3) = (dead_why IS NOT NULL))
) STRICT;
--> statement-breakpoint
CREATE INDEX outbox_head ON outbox_msg(recipient, seq) WHERE state < 2;
--> statement-breakpoint
CREATE INDEX outbox_due  ON outbox_msg(lane, next_at) WHERE state < 2;
--> statement-breakpoint
CREATE INDEX outbox_dead ON outbox_msg(obligation_id) WHERE state = 3;
--> statement-breakpoint
CREATE INDEX outbox_gc   ON outbox_msg(created_at) WHERE state >= 2;
--> statement-breakpoint
CREATE TABLE outbox_pub (                        -- public addressable events: the newest wanted content wins
  coord           TEXT PRIMARY KEY,              -- kind:pubkey:d
  want_rev        INTEGER NOT NULL,
  done_rev        INTEGER NOT NULL DEFAULT 0,    -- every configured relay has it
  last_created_at INTEGER NOT NULL DEFAULT 0,
  stamped_rev     INTEGER NOT NULL DEFAULT 0,
  prior_created_at INTEGER NOT NULL DEFAULT 0,   -- last_created_at before this revision was stamped
  body            TEXT NOT NULL,
  tries           INTEGER NOT NULL DEFAULT 0,
  next_at         INTEGER NOT NULL,
  refresh_at      INTEGER                        -- NULL = finished, never again
) STRICT;
--> statement-breakpoint
CREATE INDEX outbox_pub_due     ON outbox_pub(next_at) WHERE want_rev > done_rev;
--> statement-breakpoint
CREATE INDEX outbox_pub_refresh ON outbox_pub(refresh_at) WHERE refresh_at IS NOT NULL;
--> statement-breakpoint
CREATE TABLE delivery (                          -- which relay has what: messages younger than a day, every live address
  ref   TEXT NOT NULL,                           -- 'm:<outbox_msg id>' or the coordinate
  relay TEXT NOT NULL,
  rev   INTEGER NOT NULL,                        -- messages: 0
  at    INTEGER NOT NULL,
  PRIMARY KEY (ref, relay)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX delivery_gc ON delivery(at) WHERE rev = 0;
--> statement-breakpoint
-- ---------------------------------------------------------------- alerts

CREATE TABLE alert (                             -- one open question to the operator
  key       TEXT PRIMARY KEY,                    -- stable: the same question again raises hits
  severity  INTEGER NOT NULL,
  detail    TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,
  hits      INTEGER NOT NULL DEFAULT 1,
  closed_at INTEGER
) STRICT;
--> statement-breakpoint
CREATE INDEX alert_gc ON alert(closed_at) WHERE closed_at IS NOT NULL;
--> statement-breakpoint
-- ---------------------------------------------------------------- ratings: what one side of an order gave the other, once

CREATE TABLE rating (
  order_id TEXT NOT NULL REFERENCES orders(id),
  rater    TEXT NOT NULL CHECK (rater IN ('buyer','seller')),
  stars    INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  at       INTEGER NOT NULL,
  PRIMARY KEY (order_id, rater)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
-- ---------------------------------------------------------------- users: one row an identity key that ever traded with one

CREATE TABLE users (
  identity         TEXT PRIMARY KEY,
  last_trade_index INTEGER NOT NULL DEFAULT 0 CHECK (last_trade_index >= 0),    -- newest one burnt
  total_reviews    INTEGER NOT NULL DEFAULT 0,
  total_rating     REAL    NOT NULL DEFAULT 0,   -- running mean
  last_rating      INTEGER NOT NULL DEFAULT 0,
  min_rating       INTEGER NOT NULL DEFAULT 0,
  max_rating       INTEGER NOT NULL DEFAULT 0,
  created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TRIGGER users_index_rises BEFORE UPDATE OF last_trade_index ON users
  WHEN NEW.last_trade_index < OLD.last_trade_index
  BEGIN SELECT RAISE(ABORT, 'a trade index is never lowered'); END;
--> statement-breakpoint
-- ---------------------------------------------------------------- the daemon itself

CREATE TABLE blind (                             -- intervals that no user's clock may be charged for (DEC-38)
  id      INTEGER PRIMARY KEY,
  kind    TEXT NOT NULL CHECK (kind IN ('down','relays','lightning')),
  from_at INTEGER NOT NULL,
  to_at   INTEGER,                               -- NULL while it lasts
  CHECK (to_at >= from_at)
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX blind_one_open ON blind(kind) WHERE to_at IS NULL;
--> statement-breakpoint
CREATE INDEX blind_past ON blind(to_at);
--> statement-breakpoint
CREATE TABLE process (                           -- the newest incarnation of the daemon: one row
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id    TEXT NOT NULL,
  pid        INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  alive_at   INTEGER NOT NULL,                   -- heartbeat: where a 'down' interval begins
  clean      INTEGER NOT NULL DEFAULT 0 CHECK (clean IN (0, 1))                 -- it stopped in order
) STRICT;
--> statement-breakpoint
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE price (                             -- last aggregate of each currency, for the start
  currency TEXT PRIMARY KEY,
  value    REAL NOT NULL CHECK (value > 0),      -- fiat units for one bitcoin
  as_of    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE ops_log (                           -- what an operator did
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  who    TEXT NOT NULL,
  what   TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TRIGGER ops_log_no_update BEFORE UPDATE ON ops_log BEGIN SELECT RAISE(ABORT, 'the operations log is append-only'); END;
--> statement-breakpoint
CREATE TRIGGER ops_log_no_delete BEFORE DELETE ON ops_log BEGIN SELECT RAISE(ABORT, 'the operations log is append-only'); END;
