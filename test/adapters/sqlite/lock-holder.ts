/** Takes the lock of the directory named on the command line, says so, and keeps it until it is killed. */
import { acquireDataDirLock } from '../../../src/adapters/sqlite/lock.ts'

acquireDataDirLock(process.argv[2] ?? '')
process.stdout.write('locked\n')
process.stdin.resume()
