import { describe, expect, it } from 'vitest'
import { SeriesBuffer } from '@/features/device/series'
import { axisTime, seriesSummary } from '@/ui/chart'

const bucket = (start: number, value: number) => ({ start, min: value, max: value, mean: value, count: 1 })

describe('SeriesBuffer', () => {
  it('live reading inside the last bucket widens its range', () => {
    const buffer = new SeriesBuffer(0, 1000, [bucket(0, 5), bucket(1000, 6)])
    buffer.add(1500, 9)
    buffer.add(1600, 1)
    const columns = buffer.columns()
    expect([columns.min.at(-1), columns.max.at(-1)]).toEqual([1, 9])
    expect(columns.mean.at(-1)).toBeCloseTo(16 / 3)
    expect(columns.x).toEqual([0.5, 1.5])
  })

  it('reading that comes twice leaves minimum and maximum as they are', () => {
    const buffer = new SeriesBuffer(0, 1000)
    buffer.add(100, 4)
    buffer.add(100, 4)
    expect(buffer.columns()).toMatchObject({ min: [4], max: [4], mean: [4] })
  })

  it('late reading goes to its own place', () => {
    const buffer = new SeriesBuffer(0, 1000, [bucket(0, 1), bucket(3000, 2)])
    buffer.add(1200, 7)
    expect(buffer.columns().mean).toEqual([1, 7, 2])
  })

  it('long silence breaks the line', () => {
    const buffer = new SeriesBuffer(0, 1000, [bucket(0, 1), bucket(1000, 1), bucket(2000, 1), bucket(9000, 1)])
    expect(buffer.columns().mean).toEqual([1, 1, 1, null, 1])
  })

  it('slow device does not get a break between every two readings', () => {
    const buffer = new SeriesBuffer(0, 1000, [0, 10_000, 20_000, 30_000].map((at) => bucket(at, 1)))
    expect(buffer.columns().mean).toEqual([1, 1, 1, 1])
  })

  it('buckets before the window are dropped', () => {
    const buffer = new SeriesBuffer(0, 1000, [bucket(0, 1), bucket(5000, 2)])
    buffer.dropBefore(4000)
    expect(buffer.columns().mean).toEqual([2])
    buffer.dropBefore(90_000)
    expect(buffer.columns().mean).toEqual([])
  })
})

describe('chart words', () => {
  it('summary says range, last value and points', () => {
    const columns = { x: [1, 2, 3], min: [1, null, 2], mean: [1.5, null, 3], max: [2, null, 9] }
    expect(seriesSummary('Flow', 'L/s', columns)).toBe('Flow: between 1 and 9 L/s, last 3 L/s, 2 points')
    expect(seriesSummary('Flow', 'L/s', { x: [], min: [], mean: [], max: [] })).toBe('Flow: no readings in this range')
  })
  it('axis shows seconds only where a step is below a minute', () => {
    const noon = new Date(2026, 10, 21, 12, 5, 30).getTime() / 1000
    expect([axisTime(noon, 10), axisTime(noon, 300), axisTime(noon, 86_400)]).toEqual(['12:05:30', '12:05', '21 Nov'])
  })
})
