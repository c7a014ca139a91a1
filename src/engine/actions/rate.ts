/** rate-user (trade.md 2.8, disputes-sessions-admin.md 6; W39, W47, DEC-11, DEC-12). */
import { type Order, type Party, partyOf, type Side, sideOf, type Take } from '../../core/order/order.ts'
import { afterRating, isRating } from '../../core/reputation.ts'
import { KIND_RATING, ratingEvent } from '../../wire/public-events.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { coordinate, nodeIdentity, wantEvent } from '../public-orders.ts'
import { reputationOf } from '../reputation.ts'
import { queueMessage } from '../say.ts'
import {
  type ActionHandler,
  causeOf,
  DONE,
  namedOrder,
  type Outcome,
  originOf,
  type Request,
  refuse,
} from './action.ts'

const RETENTION_S = 90 * 86_400

/** Who may rate now: both after success, the seller as soon as his part is done. */
function raterOf(order: Order, sender: string): { side: Side; taken: Order & { readonly take: Take } } | null {
  if (!('take' in order) || order.take === null) return null
  const taken = { ...order, take: order.take }
  const side = sideOf(taken, sender)
  if (side === null) return null
  if (order.status === 'success' || (order.status === 'settled-hold-invoice' && side === 'seller'))
    return { side, taken }
  return null
}

function addRating(ctx: Ctx, tx: Tx, rated: Party, stars: number): void {
  const user = rated.identity === rated.pubkey ? undefined : tx.s.user_get({ identity: rated.identity })
  // In full privacy there is no reputation to change; the rating is acknowledged all the same (W47).
  if (user === undefined) return
  const next = afterRating(
    {
      reviews: user.total_reviews,
      rating: user.total_rating,
      last: user.last_rating,
      min: user.min_rating,
      max: user.max_rating,
    },
    stars,
  )
  tx.s.user_rated({
    identity: rated.identity,
    reviews: next.reviews,
    rating: next.rating,
    last: next.last,
    min: next.min,
    max: next.max,
  })
  const { operatingDays } = reputationOf(tx, rated)
  const { kind, tags, content } = ratingEvent(
    {
      ratedTradePubkey: rated.pubkey,
      reputation: { days: Number(operatingDays), totalRating: next.rating, totalReviews: next.reviews },
      lastRating: next.last,
      maxRating: next.max,
      minRating: next.min,
      retainedUntilS: tx.nowS + RETENTION_S,
    },
    nodeIdentity(ctx),
    0,
  )
  wantEvent(ctx, tx, coordinate(ctx, KIND_RATING, rated.pubkey), { kind, tags, content }, false)
}

export const rateUser: ActionHandler<null> = {
  // Once per side is kept in the ratings themselves: a repeat is acknowledged and counts once.
  mutation: false,
  prepare: () => null,
  handle(ctx, tx, request): Outcome {
    const order = namedOrder(tx, request)
    if (order === null) return refuse('not_found')
    const { message, sender } = request.inbound
    const rater = raterOf(order, sender)
    if (rater === null) return refuse('invalid_order_status')
    const stars = message.payload?.kind === 'rating_user' ? message.payload.rating : 0
    if (!isRating(stars)) return refuse('invalid_rating')
    const rated = partyOf(rater.taken, rater.side === 'buyer' ? 'seller' : 'buyer')
    const first = tx.s.rate_once({ order_id: order.id, rater: rater.side, stars, now: tx.nowS })
    if (first !== undefined) addRating(ctx, tx, rated, stars)
    acknowledge(ctx, tx, request, order.id, stars)
    return DONE
  },
}

function acknowledge(ctx: Ctx, tx: Tx, request: Request, orderId: string, stars: number): void {
  queueMessage(ctx, tx, causeOf(request), {
    to: request.inbound.sender,
    action: 'rate-received',
    payload: { kind: 'rating_user', rating: stars },
    requestId: originOf(request).requestId,
    tradeIndex: null,
    id: orderId,
    asks: false,
    lane: 1,
    orderId,
    obligationId: null,
  })
}
