// Languages and time zones to choose from, as the browser knows them.

/** Languages that mails and formats are offered in; any other BCP 47 tag can stand beside them. */
const LOCALES = ['en', 'en-GB', 'en-US', 'de', 'de-AT', 'de-CH', 'fr', 'es', 'it', 'nl', 'pt', 'pl', 'ar', 'ar-EG', 'tr', 'zh', 'ja']

const names = new Intl.DisplayNames(['en'], { type: 'language' })

export function localeName(tag: string): string {
  try {
    return names.of(tag) ?? tag
  } catch {
    return tag
  }
}

const withOwn = (all: string[], own: string) => (own && !all.includes(own) ? [own, ...all] : all)

/** Always with the one that is set now, so that a form never changes it unasked. */
export const localeChoices = (own: string): string[] => withOwn(LOCALES, own)
export const zoneChoices = (own: string): string[] => withOwn(['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')], own)
