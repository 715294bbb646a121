// One registry of keys: what is not registered here does not act, and what acts is on the sheet.
import { onScopeDispose, shallowReactive } from 'vue'

export interface KeyBinding {
  /** "?", "/", "g d" (one key after the other) or "mod+k" (Ctrl or Cmd). */
  keys: string
  words: string
  run: () => void
}

const SEQUENCE_MS = 1200

const registry = shallowReactive<KeyBinding[]>([])

export const bindings = (): readonly KeyBinding[] => registry

export function register(binding: KeyBinding): () => void {
  registry.push(binding)
  return () => {
    const index = registry.indexOf(binding)
    if (index >= 0) registry.splice(index, 1)
  }
}

/** Registers for the life of the calling component. */
export function useKeys(list: KeyBinding[]): void {
  const removers = list.map(register)
  onScopeDispose(() => removers.forEach((remove) => remove()))
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}

/** The newest binding wins, so that a page may take a key over while it is shown. */
const find = (keys: string): KeyBinding | undefined => registry.findLast((b) => b.keys === keys)

/** Turns key presses into bindings; returns the listener. `enabled` switches single keys off. */
export function keyListener(enabled: () => boolean, clock: () => number = Date.now) {
  let first = ''
  let firstAt = 0
  return (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return
    if (event.ctrlKey || event.metaKey) {
      run(event, find(`mod+${event.key.toLowerCase()}`))
      return
    }
    if (!enabled() || typing(event.target) || event.key.length !== 1) return
    const waiting = clock() - firstAt < SEQUENCE_MS ? first : ''
    const both = waiting ? find(`${waiting} ${event.key}`) : undefined
    first = both ? '' : event.key
    firstAt = clock()
    run(event, both ?? find(event.key))
  }
}

function run(event: KeyboardEvent, binding: KeyBinding | undefined): void {
  // A dialog that is open owns the keyboard, except for the key that closes the palette again.
  if (!binding || (document.querySelector('dialog[open]') && !binding.keys.startsWith('mod+'))) return
  event.preventDefault()
  binding.run()
}
