import { describe, expect, it } from 'vitest'
import { effectScope } from 'vue'
import { useQuery } from '@/app/query'

/** A query whose answers the test gives. */
function asked() {
  const answers: ((value: string) => void)[] = []
  const query = effectScope().run(() => useQuery(() => new Promise<string>((answer) => answers.push(answer))))
  if (!query) throw new Error('no scope')
  return { answers, query }
}
const settle = () => new Promise((go) => setTimeout(go))

describe('what a query was told', () => {
  it('is not lost to an answer that was on its way', async () => {
    const { answers, query } = asked()
    query.put('changed')
    expect(query.busy.value).toBe(false)
    answers[0]?.('as it was before')
    await settle()
    expect(query.data.value).toBe('changed')
  })

  it('gives way to an answer that was asked for afterwards', async () => {
    const { answers, query } = asked()
    query.put('changed')
    const again = query.reload()
    answers[1]?.('newer')
    await again
    expect([query.data.value, query.busy.value]).toEqual(['newer', false])
  })
})
