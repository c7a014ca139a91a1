import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder in the system's temporary one, with these files in it; gone when disposed. */
export type TempTree = Disposable & { readonly path: string }

/** Writes `files` (path to text) into a fresh temporary folder. Use it with `using`. */
export function tempTree(files: Readonly<Record<string, string>>): TempTree {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'fianza-')))
  for (const [name, text] of Object.entries(files)) {
    const file = join(path, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
