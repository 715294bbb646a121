import { describe, expect, it } from 'vitest'
import { mount } from '@vue/test-utils'
import { treeFind, treeLines, treeStep, withBelow, type TreeNode } from '@/ui/tree'
import UiTree from '@/ui/UiTree.vue'

const node = (key: string, parent = ''): TreeNode => ({ key, parent, label: key })
const NODES = [node('pump', 'hill'), node('hill', 'ops'), node('ops'), node('admin'), node('harbour', 'ops')]
const keys = (closed: string[] = []) => treeLines(NODES, new Set(closed)).map((line) => `${line.level}${line.key}`)

describe('treeLines', () => {
  it('puts children below their parent, by label, with their place among siblings', () => {
    expect(keys()).toEqual(['1admin', '1ops', '2harbour', '2hill', '3pump'])
    expect(treeLines(NODES, new Set())[3]).toMatchObject({ place: 2, siblings: 2, branch: true, open: true })
  })
  it('leaves out what is below a closed one', () => {
    expect(keys(['hill'])).toEqual(['1admin', '1ops', '2harbour', '2hill'])
    expect(keys(['ops'])).toEqual(['1admin', '1ops'])
  })
  it('shows at the top what names a parent that is not there', () => {
    expect(treeLines([node('lost', 'gone')], new Set()).map((line) => line.level)).toEqual([1])
  })
})

describe('withBelow', () => {
  it('takes the whole branch and nothing beside it', () => {
    expect([...withBelow(NODES, 'hill')]).toEqual(['hill', 'pump'])
    expect([...withBelow(NODES, 'ops')].sort()).toEqual(['harbour', 'hill', 'ops', 'pump'])
  })
})

describe('treeStep', () => {
  const lines = treeLines(NODES, new Set(['hill']))
  it.each([
    [1, 'ArrowRight', { focus: 2 }], [1, 'ArrowLeft', { toggle: true }], [3, 'ArrowRight', { toggle: true }], [3, 'ArrowLeft', { focus: 1 }],
    [0, 'ArrowUp', { focus: 0 }], [3, 'ArrowDown', { focus: 3 }], [0, 'ArrowRight', {}], [0, 'ArrowLeft', {}], [2, 'Home', { focus: 0 }], [0, 'End', { focus: 3 }],
  ])('line %i, %s', (at, key, step) => expect(treeStep(lines, at, key)).toEqual(step))
  it('leaves other keys alone', () => expect(treeStep(lines, 0, 'Tab')).toBeNull())
})

describe('treeFind', () => {
  const lines = treeLines(NODES, new Set())
  it('goes round, and stays while a longer beginning still fits', () => {
    expect(treeFind(lines, 2, 'h')).toBe(3)
    expect(treeFind(lines, 3, 'h')).toBe(2)
    expect(treeFind(lines, 3, 'hi')).toBe(3)
    expect(treeFind(lines, 0, 'z')).toBe(-1)
  })
})

describe('UiTree', () => {
  it('has one stop for Tab, tells levels, and chooses by Enter', async () => {
    const wrapper = mount(UiTree, { props: { label: 'Departments', nodes: NODES, chosen: 'hill' }, attachTo: document.body })
    const items = wrapper.findAll('[role=treeitem]')
    expect(items.filter((one) => one.attributes('tabindex') === '0').map((one) => one.text())).toEqual([expect.stringContaining('hill')])
    expect(items[4]?.attributes('aria-level')).toBe('3')
    await items[3]?.trigger('keydown', { key: 'ArrowLeft' })
    expect(wrapper.findAll('[role=treeitem]')).toHaveLength(4)
    await wrapper.findAll('[role=treeitem]')[3]?.trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('choose')).toEqual([['hill']])
  })
})
