import { describe, expect, it } from 'vitest'
import type { Role } from '@/api/rights'
import { firstRole, roleChoices, roleName } from '@/features/people/roles'
import { passwordFault } from '@/features/public/password'

const role = (key: string, name: string, permissions: string[], built_in = false): Role => ({ role: key, name, description: `${name} does`, permissions, built_in })
const ROLES = [
  role('owner', 'Owner', ['devices.read', 'devices.control', 'people.manage'], true),
  role('operator', 'Operator', ['devices.read', 'devices.control'], true),
  role('viewer', 'Viewer', ['devices.read'], true),
  role('valve-keeper', 'Valve keeper', ['devices.control']),
]
const holding = (...held: string[]) => (permission: string) => held.includes(permission)

describe('roles to choose from', () => {
  it('lists the built-in ones first, and says which hold more than the chooser', () => {
    const choices = roleChoices(ROLES, 'viewer', holding('devices.read', 'devices.control'))
    expect(choices.map((one) => [one.key, one.beyond])).toEqual([['owner', true], ['operator', false], ['viewer', false], ['valve-keeper', false]])
    expect(choices.at(-1)).toMatchObject({ name: 'Valve keeper', words: 'Valve keeper does' })
  })

  it('offers those that every tenant has where none can be seen, and keeps the one that is set', () => {
    expect(roleChoices(null, 'night-shift', holding()).map((one) => one.key)).toEqual(['owner', 'operator', 'viewer', 'night-shift'])
    expect(roleChoices([], '', holding()).every((one) => !one.beyond)).toBe(true)
  })

  it('begins with operator, or with what may be given at all, never with owner by chance', () => {
    expect(firstRole(ROLES, holding('devices.read', 'devices.control', 'people.manage'))).toBe('operator')
    expect(firstRole(ROLES, holding('devices.read'))).toBe('viewer')
    expect(firstRole(ROLES, holding('devices.control'))).toBe('valve-keeper')
    expect(firstRole(ROLES, holding())).toBe('')
  })

  it('names an own role as it was named, and a built-in one by its key', () => {
    expect(roleName(ROLES, 'valve-keeper')).toBe('Valve keeper')
    expect(roleName(ROLES, 'operator')).toBe('operator')
    expect(roleName(null, 'night-shift')).toBe('night shift')
  })
})

describe('a new password', () => {
  it('has 12 characters at least, counted as people count them, and 1,024 bytes at most', () => {
    expect(passwordFault('x'.repeat(11))).not.toBe('')
    expect(passwordFault('x'.repeat(12))).toBe('')
    expect(passwordFault('😀'.repeat(11))).not.toBe('')
    expect(passwordFault('x'.repeat(1024))).toBe('')
    expect(passwordFault('x'.repeat(1025))).not.toBe('')
    expect(passwordFault('ä'.repeat(513))).not.toBe('')
  })
})
