/** Rules for dependency-cruiser, generated from scripts/boundaries.data.json: one rule for each cell of its table. */
const { folders } = require('./scripts/boundaries.data.json')

const escaped = (text) => text.replace(/[.]/g, '\\.')
/** A folder, or a single file of that name. */
const within = (folder) => `^src/${escaped(folder)}(/|\\.ts$)`
const packagePattern = (name) => `^node_modules/(@types/)?${escaped(name).replace('*', '[^/]+')}/`

function rulesOf({ folder, imports, types, packages, node }) {
  const name = folder.replaceAll('/', '-')
  const from = { path: `^src/${folder}/` }
  const rules = [
    {
      name: `${name}-folders`,
      severity: 'error',
      from,
      to: { path: '^(src|test|scripts|bench)/', pathNot: [folder, ...imports, ...types].map(within) },
    },
  ]
  if (types.length > 0) {
    const to = { path: types.map(within), dependencyTypesNot: ['type-only'] }
    rules.push({ name: `${name}-types-only`, severity: 'error', from, to })
  }
  if (!packages.includes('*')) {
    const to = { path: '^node_modules/', pathNot: packages.map(packagePattern) }
    rules.push({ name: `${name}-packages`, severity: 'error', from, to })
  }
  if (!node.includes('*')) {
    const to = { dependencyTypes: ['core'], pathNot: node.map((module) => `^(node:)?${module}$`) }
    rules.push({ name: `${name}-node`, severity: 'error', from, to })
  }
  return rules
}

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...folders.flatMap(rulesOf),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
