// A tree as the lines that are shown of it, and where keys lead in it.
export interface TreeNode {
  key: string
  /** Key of the node above; empty at the top. */
  parent: string
  label: string
}

export interface TreeLine extends TreeNode {
  level: number
  /** From one, among those with the same parent. */
  place: number
  siblings: number
  branch: boolean
  open: boolean
}

/** Children by parent, by label. A node whose parent is not there stands at the top. */
export function childrenOf(nodes: readonly TreeNode[]): Map<string, TreeNode[]> {
  const known = new Set(nodes.map((node) => node.key))
  const children = new Map<string, TreeNode[]>()
  for (const node of nodes) {
    const parent = known.has(node.parent) ? node.parent : ''
    children.set(parent, [...(children.get(parent) ?? []), node])
  }
  for (const list of children.values()) list.sort((a, b) => a.label.localeCompare(b.label))
  return children
}

/** The lines from top to bottom, without what is below a closed one. */
export function treeLines(nodes: readonly TreeNode[], closed: ReadonlySet<string>): TreeLine[] {
  const children = childrenOf(nodes)
  const lines: TreeLine[] = []
  const walk = (parent: string, level: number): void => {
    const list = children.get(parent) ?? []
    list.forEach((node, index) => {
      const branch = children.has(node.key)
      const open = branch && !closed.has(node.key)
      lines.push({ ...node, level, place: index + 1, siblings: list.length, branch, open })
      if (open) walk(node.key, level + 1)
    })
  }
  walk('', 1)
  return lines
}

/** A node with everything below it. */
export function withBelow(nodes: readonly TreeNode[], key: string): Set<string> {
  const children = childrenOf(nodes)
  const found = new Set([key])
  for (const one of found) for (const child of children.get(one) ?? []) found.add(child.key)
  return found
}

export interface TreeStep {
  focus?: number
  toggle?: boolean
}

/** What a key does on the line `at`, as the ARIA tree pattern has it; null when it is not the tree's. */
export function treeStep(lines: readonly TreeLine[], at: number, key: string): TreeStep | null {
  const line = lines[at]
  if (!line) return null
  const last = lines.length - 1
  switch (key) {
    case 'ArrowDown':
      return { focus: Math.min(at + 1, last) }
    case 'ArrowUp':
      return { focus: Math.max(at - 1, 0) }
    case 'Home':
      return { focus: 0 }
    case 'End':
      return { focus: last }
    case 'ArrowRight':
      if (!line.branch) return {}
      return line.open ? { focus: at + 1 } : { toggle: true }
    case 'ArrowLeft':
      if (line.open) return { toggle: true }
      return line.level === 1 ? {} : { focus: lines.findLastIndex((one, index) => index < at && one.level === line.level - 1) }
    default:
      return null
  }
}

/** The next line from `at` whose label begins with what was typed; -1 when none does. */
export function treeFind(lines: readonly TreeLine[], at: number, typed: string): number {
  const wanted = typed.toLowerCase()
  const from = typed.length > 1 ? at : at + 1
  for (let step = 0; step < lines.length; step += 1) {
    const index = (from + step) % lines.length
    if (lines[index]?.label.toLowerCase().startsWith(wanted)) return index
  }
  return -1
}
