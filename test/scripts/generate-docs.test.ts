import { describe, expect, it } from 'vitest'
import { renderBoundaries, withPart } from '../../scripts/generate-docs.ts'

describe('the generated parts of the docs', () => {
  it('replace what stands between their markers and nothing else', () => {
    const page = 'before\n<!-- generated: table -->\nold\n<!-- end of table -->\nafter\n'
    expect(withPart(page, 'table', 'new')).toBe(
      'before\n<!-- generated: table -->\n\nnew\n\n<!-- end of table -->\nafter\n',
    )
  })

  it('stay the same when they are rendered twice', () => {
    const once = withPart('<!-- generated: a --><!-- end of a -->', 'a', 'text')
    expect(withPart(once, 'a', 'text')).toBe(once)
  })

  it.for(['', '<!-- generated: table -->', '<!-- end of table --><!-- generated: table -->'])(
    'are refused by a page without both markers: "%s"',
    (page) => {
      expect(() => withPart(page, 'table', 'new')).toThrow('no <!-- generated: table -->')
    },
  )

  it('say of each folder what it may import', () => {
    const rows = [
      { folder: 'core', imports: [], types: [], packages: [], node: [], why: 'Facts.' },
      { folder: 'cli', imports: ['app'], types: ['core'], packages: ['ws'], node: ['*'], why: 'Prints.' },
    ]
    expect(renderBoundaries(rows).split('\n').slice(2)).toEqual([
      '| core | itself | none | none | Facts. |',
      '| cli | app, core (types) | `ws` | any | Prints. |',
    ])
  })
})
