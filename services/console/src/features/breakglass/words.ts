import type { BreakGlass } from '@/api/breakGlass'
import { time } from '@/api/wire'
import { moment } from '@/app/format'
import { leftWords, type Look } from '@/features/rights/words'

export function entryLook(one: BreakGlass, now: number): Look {
  const [ended, expires] = [time(one.ended_at), time(one.expires_at) ?? 0]
  if (ended !== null) return { tone: 'off', words: one.ended_by ? `Ended ${moment(ended, now)}` : `Over since ${moment(ended, now)}` }
  return expires > now ? { tone: 'warn', words: `Inside, ${leftWords(expires - now)} left` } : { tone: 'off', words: `Over since ${moment(expires, now)}` }
}
export const lasts = (one: BreakGlass, now: number): boolean => entryLook(one, now).tone === 'warn'
