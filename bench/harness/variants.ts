/** The ways in which the same build can work. */
import type { Variant } from './system.ts'

/** As a new installation does where native curves can be had. */
export const FAST: Variant = { curves: 'native', commits: 'grouped', opener_threads: 'auto' }

/** As a new installation does where they can not. */
export const PORTABLE: Variant = { ...FAST, curves: 'portable' }

/** All of it in plain JavaScript, one thread, one commit a fact. It keeps its cache of keys and checks nothing twice. */
export const PLAIN: Variant = { curves: 'portable', commits: 'each', opener_threads: 0 }

/** As {@link FAST}, one commit a fact. */
export const EACH: Variant = { ...FAST, commits: 'each' }
