// Some calls want a proof of who is there that is newer than the session's. One dialog asks for it,
// for however many calls wait, and all of them are sent again.
import { shallowRef } from 'vue'

/** Set while a proof is asked for: takes whether it was given. */
export const asking = shallowRef<((proved: boolean) => void) | null>(null)

let waiting: Promise<boolean> | null = null

/** Resolves once the person has proved who they are, or does not want to. */
export function stepUp(): Promise<boolean> {
  waiting ??= new Promise<boolean>((resolve) => (asking.value = resolve)).finally(() => {
    waiting = null
    asking.value = null
  })
  return waiting
}
