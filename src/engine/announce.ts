/** What the node says about itself in public: info, relays, profile (wire.md 7.4, 7.6; DEC-02, DEC-23, DEC-41). */
import { msatToSatsRoundedDown } from '../core/money.ts'
import { infoEvent, KIND_INFO, KIND_PROFILE, KIND_RELAYS, profileEvent, relaysEvent } from '../wire/public-events.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { coordinate, networksOf, nodeIdentity, wantEvent } from './public-orders.ts'

/** Wants all of them, as they are now; what is unchanged is not sent again. */
export function announce(ctx: Ctx, tx: Tx): void {
  wantInfo(ctx, tx)
  const relays = relaysEvent(ctx.relays.urls(), 0)
  wantEvent(ctx, tx, coordinate(ctx, KIND_RELAYS, ''), bodyOf(relays), true)
  const { name, about, website, picture } = ctx.settings.profile
  const profile = profileEvent(
    {
      name: name ?? null,
      about: about ?? null,
      website: website ?? null,
      picture: picture ?? null,
      software: ctx.settings.version,
    },
    0,
  )
  if (profile !== null) wantEvent(ctx, tx, coordinate(ctx, KIND_PROFILE, ''), bodyOf(profile), true)
}

const bodyOf = ({ kind, tags, content }: ReturnType<typeof infoEvent>) => ({ kind, tags, content })

/** Wants the info event; it names the Lightning node as soon as it was met. */
export function wantInfo(ctx: Ctx, tx: Tx): void {
  const { settings, lightning } = ctx
  const { node } = lightning
  // Before Lightning answered, what was said of it last time stands.
  const known = tx.store.get('SELECT 1 FROM outbox_pub WHERE coord = :coord', {
    coord: coordinate(ctx, KIND_INFO, ctx.key.pubkey),
  })
  if (node === null && known !== undefined) return
  const info = infoEvent(
    {
      version: settings.version,
      commitHash: settings.commitHash,
      maxOrderSats: msatToSatsRoundedDown(settings.order.maxOrderMsat),
      minOrderSats: msatToSatsRoundedDown(settings.order.minOrderMsat),
      expirationHours: Math.floor(settings.order.windowS / 3600),
      expirationSeconds: settings.dutyS,
      fiatCurrencies: settings.order.fiatCurrencies,
      maxOrdersPerResponse: settings.limits.ordersPerResponse,
      fee: settings.feeRate,
      pow: settings.pow,
      powFirstContact: Math.max(settings.pow, settings.powFirstContact),
      transport: settings.defaultTransport,
      holdInvoiceWindowS: settings.dutyS,
      invoiceWindowS: settings.invoiceWindowS,
      holdInvoiceCltvDelta: settings.holdCltvDelta,
      lightning:
        node === null
          ? null
          : {
              version: node.version,
              pubkey: node.pubkey,
              commitHash: node.commitHash,
              alias: node.alias,
              chains: ['bitcoin'],
              networks: networksOf(tx),
              uris: node.uris,
            },
      bonds: null,
    },
    nodeIdentity(ctx),
    0,
  )
  wantEvent(ctx, tx, coordinate(ctx, KIND_INFO, ctx.key.pubkey), bodyOf(info), true)
}
