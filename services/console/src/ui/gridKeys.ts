/** Where a key takes the active row; null when the key is not the grid's. */
export function gridTarget(key: string, active: number, count: number, page: number): number | null {
  if (count === 0) return null
  const clamp = (row: number) => Math.min(count - 1, Math.max(0, row))
  switch (key) {
    case 'ArrowDown':
      return clamp(active + 1)
    case 'ArrowUp':
      return clamp(active - 1)
    case 'PageDown':
      return clamp(active + page)
    case 'PageUp':
      return clamp(active - page)
    case 'Home':
      return 0
    case 'End':
      return count - 1
    default:
      return null
  }
}
