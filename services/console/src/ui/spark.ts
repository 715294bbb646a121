/** The outline of a sparkline: steps of equal width from zero to the largest value; empty where there is nothing but zeros. */
export function sparkPath(values: number[], width: number, height: number): string {
  const top = Math.max(...values, 0)
  if (values.length < 2 || top === 0) return ''
  const step = width / (values.length - 1)
  // Half a pixel at each edge, so that the line is whole.
  const y = (value: number) => Number((height - 0.5 - (value / top) * (height - 2)).toFixed(2))
  return values.map((value, at) => `${at ? 'L' : 'M'}${Number((at * step).toFixed(2))} ${y(value)}`).join('')
}
