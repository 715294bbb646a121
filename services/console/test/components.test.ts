import { mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { Problem } from '@/api/problem'
import ErrorState from '@/ui/ErrorState.vue'
import GridTable from '@/ui/GridTable.vue'
import UiField from '@/ui/UiField.vue'

vi.stubGlobal('ResizeObserver', class {
  observe() {}
  unobserve() {}
  disconnect() {}
})

describe('GridTable', () => {
  const columns = [{ key: 'name', label: 'Name', track: '1fr' }, { key: 'n', label: 'Number', track: '80px', numeric: true }]
  const grid = () => mount(GridTable, { props: { label: 'Things', columns, count: 10_000, loaded: () => true }, attachTo: document.body })

  it('tells its true size although few rows are drawn', () => {
    const wrapper = grid()
    expect(wrapper.attributes('aria-rowcount')).toBe('10001')
    expect(wrapper.findAll('[role=columnheader]').map((h) => h.text())).toEqual(['Name', 'Number'])
    expect(wrapper.findAll('[role=gridcell]').length).toBeLessThan(200)
  })

  it('Enter opens the active row', async () => {
    const wrapper = grid()
    await wrapper.trigger('keydown', { key: 'ArrowDown' })
    await wrapper.trigger('keydown', { key: 'Enter' })
    expect(wrapper.emitted('open')).toEqual([[1]])
  })
})

describe('ErrorState', () => {
  it('shows code and incident and can be tried again', async () => {
    const wrapper = mount(ErrorState, { props: { problem: new Problem(503, 'dependency.unavailable', 'Down', 'Later', 'inc_7') } })
    expect(wrapper.text()).toContain('dependency.unavailable')
    expect(wrapper.text()).toContain('inc_7')
    await wrapper.find('button').trigger('click')
    expect(wrapper.emitted('retry')).toHaveLength(1)
  })
  it('refusal for lack of rights offers no retry', () => {
    const wrapper = mount(ErrorState, { props: { problem: new Problem(403, 'auth.forbidden', 'No', '', '') } })
    expect(wrapper.find('button').exists()).toBe(false)
    expect(wrapper.text()).toContain('Your role does not allow this')
  })
})

describe('UiField', () => {
  it('ties label and fault to the control', () => {
    const wrapper = mount(UiField, {
      props: { label: 'Opening', fault: 'Needed' },
      slots: { default: '<template #default="{ id, described, invalid }"><input :id="id" :aria-describedby="described" :aria-invalid="invalid" /></template>' },
    })
    const input = wrapper.find('input')
    expect(wrapper.find('label').attributes('for')).toBe(input.attributes('id'))
    expect(wrapper.find(`#${input.attributes('aria-describedby')}`).text()).toBe('Needed')
    expect(input.attributes('aria-invalid')).toBe('true')
  })
})
