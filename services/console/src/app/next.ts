/** Only a path of this console: an address from a link must not lead elsewhere. */
export const safeNext = (wanted: unknown): string | null => (typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) ? wanted : null)
