/**
 * The second half of `npm run build`: the command and the thread that opens messages, bundled over what TypeScript made of
 * them, because loading hundreds of modules is most of a start.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { PROJECT } from './repository.ts'

const DIST = join(PROJECT, 'dist')

/**
 * Left where npm puts it: what finds files beside its own or brings native code, and what is loaded when it is first
 * needed, of which a bundle in CommonJS would export no names.
 */
const EXTERNAL = ['better-sqlite3', 'secp256k1', 'pino', 'undici']

const { metafile } = await build({
  absWorkingDir: PROJECT,
  entryPoints: { 'cli/main': 'src/cli/main.ts', 'app/opener-thread': 'src/app/opener-thread.ts' },
  outdir: DIST,
  // As deep as the modules that they replace: the way up to the package's own files is the same.
  chunkNames: 'bundle/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  charset: 'utf8',
  sourcemap: true,
  external: EXTERNAL,
  // Packages in CommonJS ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
})
for (const [module, { imports }] of Object.entries(metafile.inputs))
  for (const { kind, path, external } of imports)
    if (kind === 'dynamic-import' && external !== true && path.includes('node_modules/'))
      throw new Error(`${module} loads ${path} when it is needed: put the package into EXTERNAL`)
writeFileSync(join(DIST, 'bundle/LICENSES.txt'), licencesOf(Object.keys(metafile.inputs)))

/** The licence of every package that a bundle contains. Throws when one has none. */
function licencesOf(inputs: readonly string[]): string {
  const packages = new Set<string>()
  for (const input of inputs) {
    const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]
    if (found !== undefined) packages.add(found)
  }
  return [...packages]
    .sort()
    .map((folder) => {
      const path = join(PROJECT, folder)
      const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as {
        readonly name: string
        readonly version: string
        readonly license: string
      }
      const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
      if (file === undefined && license === undefined) throw new Error(`${folder} has no licence`)
      const text = file === undefined ? `${license} licence\n` : readFileSync(join(path, file), 'utf8')
      return `${name} ${version}\n\n${text}`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}
