/**
 * The machine's clock, set back by `minutes` of this module's query for this process alone: from the start on, or from
 * SIGUSR2 on when the query says `later`. Each further SIGUSR2 sets it right or back again. Monotonic time goes on.
 */
const query = new URL(import.meta.url).searchParams
const setBackMs = Number(query.get('minutes')) * 60_000

const Real = Date
let behindMs = query.has('later') ? 0 : setBackMs
process.on('SIGUSR2', () => {
  behindMs = behindMs === 0 ? setBackMs : 0
})

// Both ways to read the time: a library that sees them differ believes that every deadline is over.
const nowMs = (): number => Real.now() - behindMs
globalThis.Date = new Proxy(Real, {
  construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [nowMs()] : args),
  get: (target, name) => (name === 'now' ? nowMs : Reflect.get(target, name)),
})
