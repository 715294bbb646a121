// What names the things that rights are about. Read once for all tabs of the page.
import { listDepartments, listMembers, listPermissions, listPositions, listRoles, type Department, type Member, type Position, type Role } from '@/api/rights'
import { short } from '@/app/format'
import { childrenOf, type TreeNode } from '@/ui/tree'

export interface Book {
  /** Empty for those who may not see people. */
  people: Member[]
  permissions: string[]
  roles: Role[]
  departments: Department[]
  positions: Position[]
}

export async function loadBook(withPeople: boolean): Promise<Book> {
  const [people, permissions, roles, departments, positions] = await Promise.all([
    withPeople ? listMembers() : [], listPermissions(), listRoles(), listDepartments(), listPositions(),
  ])
  return { people, permissions, roles, departments, positions }
}

export const personName = (book: Book, id: string): string => book.people.find((one) => one.principal_id === id)?.display_name ?? `Person ${short(id)}`
export const roleName = (book: Book, key: string): string => book.roles.find((one) => one.role === key)?.name || key

export function departmentName(book: Book, id: string): string {
  if (!id) return 'the whole organisation'
  return book.departments.find((one) => one.department_id === id)?.name ?? `Department ${short(id)}`
}

export function positionName(book: Book, id: string): string {
  const found = book.positions.find((one) => one.position_id === id)
  return found ? `${found.title}, ${departmentName(book, found.department_id)}` : `Position ${short(id)}`
}

export const nodesOf = (departments: readonly Department[]): TreeNode[] =>
  departments.map((one) => ({ key: one.department_id, parent: one.parent_id, label: one.name }))

export interface Choice {
  key: string
  words: string
}

/** Departments as lines of a select, each below its parent, without those in `except`. */
export function departmentChoices(departments: readonly Department[], except: ReadonlySet<string> = new Set()): Choice[] {
  const children = childrenOf(nodesOf(departments))
  const choices: Choice[] = []
  const walk = (parent: string, depth: number): void => {
    for (const node of children.get(parent) ?? []) {
      if (except.has(node.key)) continue
      choices.push({ key: node.key, words: `${'\u2003'.repeat(depth)}${node.label}` })
      walk(node.key, depth + 1)
    }
  }
  walk('', 0)
  return choices
}

/** "Operations › Harbour › Night shift". */
export function departmentPath(departments: readonly Department[], id: string): string {
  const names: string[] = []
  const seen = new Set<string>()
  for (let at = id; at && !seen.has(at); ) {
    seen.add(at)
    const found = departments.find((one) => one.department_id === at)
    if (!found) break
    names.unshift(found.name)
    at = found.parent_id
  }
  return names.join(' › ')
}

/** Whole seconds, as the contract wants them; empty text is no time. */
export function wholeSeconds(local: string): string | null {
  const at = local ? new Date(local).getTime() : Number.NaN
  return Number.isNaN(at) ? null : new Date(Math.floor(at / 1000) * 1000).toISOString()
}

/** What a `datetime-local` field shows for a moment. */
export function localTime(at: number): string {
  const moved = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return moved.toISOString().slice(0, 16)
}
