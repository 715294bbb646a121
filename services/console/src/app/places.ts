// Languages of mails and time zones to choose from.

/** Languages that mails are written in; a BCP 47 tag that is set already can stand beside them. */
const LOCALES = ['en', 'de']

const names = new Intl.DisplayNames(['en'], { type: 'language' })

export function localeName(tag: string): string {
  try {
    return names.of(tag) ?? tag
  } catch {
    return tag
  }
}

const withOwn = (all: string[], own: string) => (own && !all.includes(own) ? [own, ...all] : all)

/** Always with the one that is set now, if any, so that a form never changes it unasked. */
export const localeChoices = (own: string): string[] => withOwn(LOCALES, own)
export const zoneChoices = (own: string): string[] => withOwn(['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')], own)
