import { onMounted, onScopeDispose, ref, type Ref } from 'vue'

/** The width of an element in CSS pixels, followed. */
export function useWidth(element: Ref<HTMLElement | null>): Ref<number> {
  const width = ref(0)
  const observer = new ResizeObserver(([entry]) => {
    if (entry) width.value = Math.floor(entry.contentRect.width)
  })
  onMounted(() => {
    if (!element.value) return
    width.value = element.value.clientWidth
    observer.observe(element.value)
  })
  onScopeDispose(() => observer.disconnect())
  return width
}
