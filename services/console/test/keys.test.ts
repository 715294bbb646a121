import { afterEach, describe, expect, it, vi } from 'vitest'
import { bindings, keyListener, register } from '@/app/keys'

const removers: (() => void)[] = []
afterEach(() => removers.splice(0).forEach((remove) => remove()))

function bind(keys: string) {
  const run = vi.fn()
  removers.push(register({ keys, words: keys, run }))
  return run
}
function press(listener: (event: KeyboardEvent) => void, key: string, init: KeyboardEventInit = {}, target: HTMLElement = document.body) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...init })
  Object.defineProperty(event, 'target', { value: target })
  listener(event)
  return event
}

describe('key registry', () => {
  it('sequence runs only in time', () => {
    let time = 0
    const listener = keyListener(() => true, () => time)
    const run = bind('g d')
    press(listener, 'g')
    time = 500
    press(listener, 'd')
    expect(run).toHaveBeenCalledTimes(1)
    press(listener, 'g')
    time = 5000
    press(listener, 'd')
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('single keys are left alone while typing, with modifiers and when switched off', () => {
    const run = bind('?')
    const on = keyListener(() => true)
    press(on, '?', {}, document.createElement('input'))
    press(on, '?', {}, document.createElement('textarea'))
    press(on, '?', { altKey: true })
    press(keyListener(() => false), '?')
    expect(run).not.toHaveBeenCalled()
    expect(press(on, '?').defaultPrevented).toBe(true)
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('mod binding works while typing and when single keys are off', () => {
    const run = bind('mod+k')
    press(keyListener(() => false), 'k', { ctrlKey: true }, document.createElement('input'))
    press(keyListener(() => false), 'K', { metaKey: true })
    expect(run).toHaveBeenCalledTimes(2)
  })

  it('newest binding of a key wins and is given back', () => {
    const [first, second] = [bind('/'), bind('/')]
    const listener = keyListener(() => true)
    press(listener, '/')
    removers.pop()?.()
    press(listener, '/')
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1])
  })

  it('everything registered is on the sheet', () => {
    bind('g x')
    expect(bindings().map((b) => b.keys)).toContain('g x')
  })
})
