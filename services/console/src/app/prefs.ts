// What is kept in the browser: looks and habits, never anything of the session.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

export type Theme = 'system' | 'light' | 'dark'

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    // Storage may be denied; the choice then lasts as long as the page.
  }
}

function storedTheme(): Theme {
  const stored = read('yard.theme')
  return stored === 'light' || stored === 'dark' ? stored : 'system'
}

export const usePrefs = defineStore('prefs', () => {
  const theme = ref<Theme>(storedTheme())
  const shown = ref<'light' | 'dark'>('light')
  const shortcuts = ref(read('yard.shortcuts') !== 'off')
  const system = matchMedia('(prefers-color-scheme: dark)')

  function apply(): void {
    shown.value = theme.value === 'system' ? (system.matches ? 'dark' : 'light') : theme.value
    document.documentElement.dataset.theme = shown.value
  }
  apply()
  system.addEventListener('change', apply)
  watch(theme, (value) => {
    write('yard.theme', value === 'system' ? null : value)
    apply()
  })
  watch(shortcuts, (on) => write('yard.shortcuts', on ? null : 'off'))

  return { theme, shown, shortcuts }
})
