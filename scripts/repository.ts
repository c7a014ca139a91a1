import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, resolve } from 'node:path'

/** A text file of the project; `path` is relative to its root, with forward slashes. */
export type TextFile = { readonly path: string; readonly text: string }

/** The root of the checkout. */
export const PROJECT = resolve(import.meta.dirname, '..')

const OUTSIDE = new Set(['node_modules', 'dist', 'coverage', 'reports', '.stryker-tmp', '.git'])
const TEXT = new Set(['.ts', '.cjs', '.json', '.md', '.sql', '.toml', '.yml', '.yaml', '.css', '.proto', '.sh', ''])

/** Every text file of the project, but not what npm, the compiler, git or a tool's report put there. */
export function projectFiles(folder = PROJECT): readonly TextFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (OUTSIDE.has(entry.name)) return []
    if (entry.isDirectory()) return projectFiles(path)
    if (!entry.isFile() || !TEXT.has(extname(entry.name))) return []
    return [{ path: relative(PROJECT, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }]
  })
}
