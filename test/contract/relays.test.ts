import { describeRelaysContract } from './relays-contract.ts'
import { realWorld, simulatedWorld } from './relays-world.ts'

describeRelaysContract('over WebSockets to an embedded relay', realWorld)
describeRelaysContract('over simulated lines in virtual time', simulatedWorld)
