/** Roles that every tenant has, and what they are for. */
export const ROLES: readonly [name: string, words: string][] = [
  ['owner', 'Everything, people and settings included'],
  ['operator', 'Sees and operates devices'],
  ['viewer', 'Sees, and changes nothing'],
]

/** "system-administrator" as people say it. */
export const roleWord = (role: string): string => role.replaceAll('-', ' ')
