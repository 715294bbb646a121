import { describe, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import { useKeyset, type Slice } from '@/app/keyset'

const settle = () => new Promise((go) => setTimeout(go))
/** Three pages of two rows each. */
const pages = async (token: string): Promise<Slice<string>> => ({ rows: [`a${token}`, `b${token}`], nextToken: token.length < 2 ? `${token}+` : '' })

function listed(read: (token: string) => Promise<Slice<string>>) {
  const load = vi.fn(read)
  const list = effectScope().run(() => useKeyset(load))
  if (!list) throw new Error('no scope')
  return { load, list }
}

describe('refresh of a list that is read page by page', () => {
  it('reads one page again, and leaves a longer list as it is', async () => {
    const { list, load } = listed(pages)
    await settle()
    await list.refresh()
    expect(load.mock.calls).toEqual([[''], ['']])
    await list.more()
    await list.refresh()
    expect(load).toHaveBeenCalledTimes(3)
    expect(list.rows.value).toEqual(['a', 'b', 'a+', 'b+'])
    await list.reload()
    await list.refresh()
    expect(load).toHaveBeenCalledTimes(5)
  })

  it('does nothing while something is read', async () => {
    const { list, load } = listed(pages)
    await settle()
    const reading = list.more()
    await list.refresh()
    await reading
    expect(load.mock.calls).toEqual([[''], ['+']])
  })

  it('leaves a first read that failed to be tried again by hand', async () => {
    const { list, load } = listed(() => Promise.reject(new Error('down')))
    await settle()
    await list.refresh()
    expect(load).toHaveBeenCalledTimes(1)
    expect(list.problem.value?.detail).toBe('down')
  })
})
