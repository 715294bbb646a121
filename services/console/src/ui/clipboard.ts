/**
 * Puts text on the clipboard; false when the browser refuses. Its interface is missing on plain
 * http addresses other than localhost.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

/** Offers text as a file of that name. */
export const saveText = (name: string, text: string): void => saveBlob(name, new Blob([text], { type: 'text/plain' }))

/** Offers a file under that name. */
export function saveBlob(name: string, file: Blob): void {
  const url = URL.createObjectURL(file)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // A large file is still being read when the click returns.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
