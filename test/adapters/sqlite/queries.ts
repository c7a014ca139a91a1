import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { PROJECT } from '../../../scripts/repository.ts'

/** A query in the code that is not a named statement. */
export type Query = { readonly at: string; readonly sql: string }

const READERS = new Set(['get', 'all', 'run'])

/** Whether a call is `….store.get(…)`, `store.all(…)` and the like. */
function isRead(node: ts.Node): node is ts.CallExpression & { expression: ts.PropertyAccessExpression } {
  return (
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    READERS.has(node.expression.name.text) &&
    /(^|\.)store$/.test(node.expression.expression.getText())
  )
}

/** The initialiser of a constant of this name anywhere in the file, or nothing. */
function constantOf(file: ts.SourceFile, name: string): ts.Expression | undefined {
  let found: ts.Expression | undefined
  const look = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name) found = node.initializer
    ts.forEachChild(node, look)
  }
  look(file)
  return found
}

/** The text of a constant expression. Throws when it is not one, so that no query hides from the tests. */
function textOf(file: ts.SourceFile, node: ts.Expression): string {
  if (ts.isStringLiteralLike(node) || ts.isNumericLiteral(node)) return node.text
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map((s) => textOf(file, s.expression) + s.literal.text).join('')
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return textOf(file, node.left) + textOf(file, node.right)
  if (ts.isBinaryExpression(node)) return '1'
  const constant = ts.isIdentifier(node) ? constantOf(file, node.text) : undefined
  if (constant !== undefined) return textOf(file, constant)
  throw new Error(`${file.fileName}: not a constant text: ${node.getText()}`)
}

/** Every text that the folders of `src` hand to a store. */
export function queriesIn(...folders: readonly string[]): readonly Query[] {
  return folders.flatMap((folder) => {
    const root = join(PROJECT, 'src', folder)
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    return names.sort().flatMap((name) => queriesOf(join(root, name)))
  })
}

function queriesOf(path: string): readonly Query[] {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
  const found: Query[] = []
  const walk = (node: ts.Node): void => {
    const [sql] = isRead(node) ? node.arguments : []
    if (sql !== undefined) {
      const line = file.getLineAndCharacterOfPosition(sql.getStart()).line + 1
      found.push({ at: `${relative(PROJECT, path)}:${line}`, sql: textOf(file, sql) })
    }
    ts.forEachChild(node, walk)
  }
  walk(file)
  return found
}
