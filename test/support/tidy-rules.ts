import type { TextFile } from '../../scripts/repository.ts'

/** One rule of the house that no other tool has. */
export type TidyRule = {
  readonly name: string
  readonly appliesTo: (path: string) => boolean
  /** the lines, counted from one, that break the rule; several lines a file when it is about lines */
  readonly find: (text: string) => readonly number[]
  /** a text that breaks the rule, so that the rule is tested too; joined, so that it is not found here */
  readonly bad: string
}

const isCode = (path: string) => /\.(ts|cjs|sql|proto|css)$/.test(path)
const isPage = (path: string) => path.endsWith('.md')
const isTest = (path: string) => path.startsWith('test/') && isCode(path)
const isWritten = (path: string) => isCode(path) || isPage(path) || path === '.ci/run'

export const TIDY_RULES: readonly TidyRule[] = [
  {
    name: 'no leftover marker',
    appliesTo: isWritten,
    find: linesWith(new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)),
    bad: `// TO${'DO'}: later`,
  },
  {
    name: 'no path of the machine that it was written on',
    appliesTo: isWritten,
    find: linesWith(new RegExp(`(^|[\\s"'\`(])/(${['work', 'home', 'Users', 'root'].join('|')})/`)),
    bad: `see "/wo${'rk'}/notes.md"`,
  },
  {
    name: 'no focused, skipped, empty or failing test',
    appliesTo: isTest,
    find: linesWith(/\b(it|test|describe)(\.\w+)*\.(only|skip|todo|fails)\b/),
    bad: `it.on${'ly'}('trades', () => {})`,
  },
  {
    name: 'no sleep in a test: wait for what you need, with a deadline',
    appliesTo: (path) => isTest(path) && path !== 'test/support/wait.ts',
    find: linesWith(/node:timers\/promises|setTimeout\(\s*(resolve|res|r|done)\b|\bsleep\(/),
    bad: `await new Promise((resolve) => setTime${'out'}(resolve, 100))`,
  },
  {
    name: 'no silenced compiler',
    appliesTo: isCode,
    find: linesWith(new RegExp(`@ts-${'ignore'}|@ts-${'nocheck'}|\\bas an${'y'}\\b`)),
    bad: `// @ts-${'ignore'}`,
  },
  {
    name: 'one title a page',
    appliesTo: isPage,
    find: (text) => {
      const titles = linesWith(/^# \S/)(withoutFences(text))
      return titles.length === 0 ? [1] : titles.slice(1)
    },
    bad: '# One\n\n# Two\n',
  },
  {
    name: 'no tab, no space at the end of a line',
    appliesTo: (path) => isPage(path) || path.endsWith('.sql'),
    find: linesWith(/\t|\s+$/),
    bad: 'a line \n',
  },
  {
    name: 'a newline at the end, and one only',
    appliesTo: isWritten,
    find: (text) => (text === '' || /[^\n]\n$/.test(text) ? [] : [text.split('\n').length]),
    bad: 'no newline',
  },
  {
    name: 'every term of the glossary says what to avoid',
    appliesTo: (path) => path === 'docs/glossary.md',
    find: (text) => {
      const sections = text.split(/^### /m).slice(1)
      return sections.flatMap((section) => (/^\*Avoid\*: \S/m.test(section) ? [] : [lineOf(text, `### ${section}`)]))
    },
    bad: '### escrow\n\nA hold.\n',
  },
]

/** Where `file` breaks `rule`, as `path:line`. */
export function breaches(rule: TidyRule, file: TextFile): readonly string[] {
  return rule.appliesTo(file.path) ? rule.find(file.text).map((line) => `${file.path}:${line}`) : []
}

/** Targets of relative links in a page, without their anchors. */
export function relativeLinks(page: string): readonly string[] {
  const targets = [...withoutFences(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
  return targets.map((target) => target.replace(/#.*/, '')).filter((target) => target !== '' && !/^\w+:/.test(target))
}

/** Names in the first column of the tables of a page, where they stand between backquotes. */
export function tableKeys(page: string): readonly string[] {
  return [...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? '')
}

function linesWith(pattern: RegExp): (text: string) => readonly number[] {
  return (text) => text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []))
}

/** The page with code blocks blanked, line for line. */
function withoutFences(page: string): string {
  return page.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ''))
}

function lineOf(text: string, part: string): number {
  return text.slice(0, text.indexOf(part)).split('\n').length
}
