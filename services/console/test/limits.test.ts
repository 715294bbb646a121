import { describe, expect, it } from 'vitest'
import { fileSize } from '@/app/format'
import { limitBar } from '@/features/organization/limits'

const use = (used: number, most: number, source = 'PLAN') => limitBar({ name: 'devices', meaning: 'registered devices', holder: 'device-ingest', source: `LIMIT_SOURCE_${source}` as never, most, used })

describe('a limit as a bar', () => {
  it.each([
    [0, 10, 'ok', '10 left'], [7, 10, 'ok', '3 left'], [8, 10, 'warn', 'Nearly full: 2 left'], [9, 10, 'warn', 'Nearly full: 1 left'],
    [10, 10, 'crit', 'Full: one more is refused'], [11, 10, 'crit', '1 above the limit: they stay, one more is refused'], [0, 0, 'crit', 'Full: one more is refused'],
  ])('says where %i of %i stands', (used, most, tone, words) => {
    expect(use(used, most)).toMatchObject({ tone, words })
  })

  it('keeps the edge inside the picture, and shows what is beyond it', () => {
    const [full, over] = [use(10, 10).bar, use(20, 10).bar]
    expect(full?.fill).toBe(full?.edge)
    expect(full?.edge).toBeLessThan(1)
    expect(over).toEqual({ fill: 1, edge: 0.5 })
    expect(use(0, 0).bar).toEqual({ fill: 0, edge: 0 })
  })

  it('has no bar where nothing is limited, and knows a limit it has no name for', () => {
    expect(use(1842, 0, 'NONE')).toMatchObject({ bar: null, tone: 'none', numbers: '1,842' })
    expect(limitBar({ name: 'dash_boards', meaning: '', holder: '', source: 'LIMIT_SOURCE_TENANT', most: 2, used: 1 })).toMatchObject({ name: 'Dash boards', source: 'agreed with you', numbers: '1 of 2' })
  })
})

describe('a size in bytes', () => {
  it.each([[0, '0 bytes'], [999, '999 bytes'], [1000, '1 kB'], [1240, '1.2 kB'], [99_960, '100 kB'], [999_499, '999 kB'], [999_500, '1 MB'], [5_000_000_000, '5 GB']])('%i is %s', (bytes, words) => {
    expect(fileSize(bytes)).toBe(words)
  })
})
