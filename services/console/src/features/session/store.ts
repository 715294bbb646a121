import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import * as calls from '@/api/calls'
import { Problem } from '@/api/problem'
import type { Me } from '@/api/types'
import { tellTabs } from '@/app/tabs'

/** Where a second factor is set up. */
export const ADD_FACTOR = '/account/second-factor'

/** Who is signed in. The session itself is a cookie that no script can read. */
export const useSession = defineStore('session', () => {
  const me = ref<Me | null>(null)
  let asked: Promise<void> | null = null

  const isOps = computed(() => me.value?.role === 'system-administrator')
  const home = computed(() => {
    if (!me.value) return '/sign-in'
    if (me.value.secondFactorMissing) return ADD_FACTOR
    return me.value.tenantSlug ? `/t/${me.value.tenantSlug}/devices` : '/ops/queues'
  })

  const may = (permission: string): boolean => me.value?.permissions.includes(permission) ?? false

  /** Asks once per page load. "Not signed in" is an answer, anything else is a fault. */
  function restore(): Promise<void> {
    asked ??= calls
      .getMe()
      .then((answer) => void (me.value = answer))
      .catch((thrown: unknown) => {
        if (thrown instanceof Problem && thrown.status === 401) return
        asked = null
        throw thrown
      })
    return asked
  }

  /** Asks again: what is known of the person has changed. */
  async function reload(): Promise<void> {
    me.value = await calls.getMe()
  }

  function enter(person: Me): void {
    me.value = person
    asked = Promise.resolve()
    tellTabs(person)
  }

  /** A session was opened by other means: asks whose. */
  async function arrive(): Promise<void> {
    enter(await calls.getMe())
  }

  /** Null when that was all; else what has to be shown yet. */
  async function signIn(email: string, password: string, tenant: string): Promise<calls.Challenge | null> {
    const answer = await calls.login(email, password, tenant)
    if ('challenge' in answer) return answer
    enter(answer.me)
    return null
  }

  async function completeSignIn(challenge: string, code: string): Promise<void> {
    enter(await calls.completeLogin(challenge, code))
  }

  function forget(): void {
    me.value = null
  }

  async function signOut(): Promise<void> {
    await calls.logout()
    forget()
  }

  return { me, isOps, home, may, restore, reload, enter, arrive, signIn, completeSignIn, signOut, forget }
})
