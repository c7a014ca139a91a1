/** Which software this is, for the information event and for `fianza --version`. */
import { readFileSync } from 'node:fs'

/** The same way up from `src/app` and from the bundle in `dist`. */
const ROOT = new URL('../../', import.meta.url)

function readPackage(): { readonly version: string; readonly gitHead: string | null } {
  const value: unknown = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
  const { version, gitHead } = value as { readonly version?: unknown; readonly gitHead?: unknown }
  return { version: String(version), gitHead: typeof gitHead === 'string' ? gitHead : null }
}

/** The commit of a checkout; a package has none unless its maker wrote it down. */
function checkedOutCommit(): string | null {
  try {
    const head = readFileSync(new URL('.git/HEAD', ROOT), 'utf8').trim()
    if (!head.startsWith('ref: ')) return head
    return readFileSync(new URL(`.git/${head.slice('ref: '.length)}`, ROOT), 'utf8').trim()
  } catch {
    return null
  }
}

const { version, gitHead } = readPackage()

export const VERSION = version
export const COMMIT_HASH = gitHead ?? checkedOutCommit() ?? 'unknown'
