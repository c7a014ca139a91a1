import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PROJECT, projectFiles } from '../scripts/repository.ts'
import { breaches, relativeLinks, TIDY_RULES, tableKeys } from './support/tidy-rules.ts'

const FILES = projectFiles()
const PAGES = FILES.filter(({ path }) => path.endsWith('.md'))

type Manifest = {
  readonly version: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(textOf('package.json')) as Manifest
const dependencies = { ...manifest.dependencies, ...manifest.devDependencies }

type LockedPackage = {
  readonly resolved?: string
  readonly link?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

function lockedPackages(): Readonly<Record<string, LockedPackage>> {
  const lock = JSON.parse(textOf('package-lock.json')) as { readonly packages: Readonly<Record<string, LockedPackage>> }
  return lock.packages
}

function textOf(path: string): string {
  const file = FILES.find((candidate) => candidate.path === path)
  if (file === undefined) throw new Error(`there is no ${path}`)
  return file.text
}

describe('the rules of the house', () => {
  it.for(TIDY_RULES)('are kept: $name', (rule) => {
    expect(FILES.flatMap((file) => breaches(rule, file))).toEqual([])
  })

  it.for(TIDY_RULES)('are noticed when broken: $name', (rule) => {
    expect(rule.find(rule.bad)).not.toEqual([])
  })

  it('read the whole project', () => {
    const paths = FILES.map(({ path }) => path)
    expect(paths).toEqual(
      expect.arrayContaining(['.ci/run', 'package.json', 'src/core/money.ts', 'docs/adr/README.md']),
    )
  })
})

describe('the pages', () => {
  it('link to files that exist', () => {
    const broken = PAGES.flatMap(({ path, text }) =>
      relativeLinks(text)
        .filter((target) => !existsSync(join(PROJECT, dirname(path), target)))
        .map((target) => `${path} -> ${target}`),
    )
    expect(broken).toEqual([])
  })

  it('index every decision record once, in order, and nothing else', () => {
    const records = PAGES.map(({ path }) => /^docs\/adr\/(\d{4}-.*\.md)$/.exec(path)?.[1]).filter(
      (name) => name !== undefined,
    )
    const indexed = relativeLinks(textOf('docs/adr/README.md')).filter((target) => /^\d{4}-/.test(target))
    expect(indexed).toEqual(records.toSorted())
    expect(indexed.map((name) => Number(name.slice(0, 4)))).toEqual(indexed.map((_, index) => index + 1))
  })

  it('say in every decision record what was rejected and what follows', () => {
    const records = PAGES.filter(({ path }) => /^docs\/adr\/\d/.test(path))
    const thin = records.filter(({ text }) => !/^## Rejected$/m.test(text) || !/^## Consequences$/m.test(text))
    expect(thin.map(({ path }) => path)).toEqual([])
  })

  it('tell what changed in the present version', () => {
    expect(textOf('CHANGELOG.md')).toContain(`\n## [${manifest.version}]`)
  })
})

describe('the dependencies', () => {
  it('are pinned exactly', () => {
    const loose = Object.entries(dependencies).filter(([, version]) => !/^(npm:[@\w/-]+@)?\d+\.\d+\.\d+$/.test(version))
    expect(loose).toEqual([])
  })

  it('have a line each in docs/dependencies.md, and no line is left of one that is gone', () => {
    expect(tableKeys(textOf('docs/dependencies.md')).toSorted()).toEqual(Object.keys(dependencies).toSorted())
  })

  it('come from the registry only', () => {
    const elsewhere = Object.entries(lockedPackages()).filter(
      ([, { resolved, link }]) =>
        link === true || (resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/')),
    )
    expect(elsewhere).toEqual([])
  })

  it('are locked for every platform, so that npm ci works on each', () => {
    const locked = lockedPackages()
    const names = new Set(Object.keys(locked).map((path) => path.replace(/^.*node_modules\//, '')))
    const optional = Object.values(locked).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    expect(optional.filter((name) => !names.has(name))).toEqual([])
  })
})

describe('the checkout', () => {
  it('is under the licence that it names', () => {
    expect(manifest.license).toBe('MIT')
    expect(textOf('LICENSE')).toContain('MIT License')
  })

  it('has a CI command that can be run', () => {
    expect(() => accessSync(join(PROJECT, '.ci/run'), constants.X_OK)).not.toThrow()
  })
})
