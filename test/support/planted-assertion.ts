/**
 * Loaded into a daemon before its own modules: a bug that no handler can catch. The daemon dies of it as soon as it
 * decides about a message of the action that FIANZA_TEST_PLANTED names.
 */
import { assert } from '../../src/core/assert.ts'
import { Door } from '../../src/engine/door.ts'

const action = process.env['FIANZA_TEST_PLANTED']
const { submit } = Door.prototype

Door.prototype.submit = function <T>(this: Door, job: Parameters<typeof submit<T>>[0]): Promise<T> {
  if (job.name !== `message:${action}`) return submit.call(this, job) as Promise<T>
  process.nextTick(() => assert(false, 'planted'))
  return new Promise(() => undefined)
}
