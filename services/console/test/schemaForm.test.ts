import { describe, expect, it } from 'vitest'
import { snippets, sampleReading } from '@/features/connect/snippets'
import { argumentsOf, example, fault, formFields, initialDraft } from '@/features/device/schemaForm'

const schema = {
  type: 'object',
  properties: {
    opening: { type: 'integer', minimum: 0, maximum: 100, default: 40, description: 'Percent' },
    ramp: { type: 'string', enum: ['slow', 'fast'] },
    level: { enum: [1, 2, 3] },
    force: { type: 'boolean' },
    note: { type: 'string', maxLength: 5 },
  },
  required: ['opening', 'ramp'],
}
const fields = formFields(schema)!
const field = (key: string) => fields.find((f) => f.key === key)!

describe('form from a schema', () => {
  it('knows kinds, defaults and hints', () => {
    expect(fields.map((f) => f.kind)).toEqual(['integer', 'choice', 'choice', 'boolean', 'text'])
    expect(field('opening')).toMatchObject({ label: 'Opening', hint: 'Percent · 0 to 100', initial: '40' })
    expect(field('note').label).toBe('Note (optional)')
  })

  it('more than a flat object is left to JSON', () => {
    expect(formFields({ properties: { hours: { type: 'array' } } })).toBeNull()
    expect(formFields({})).toEqual([])
  })

  it('faults are said in words', () => {
    expect(fault(field('opening'), '')).toBe('Needed')
    expect(fault(field('opening'), '1.5')).toBe('Must be a whole number')
    expect(fault(field('opening'), '101')).toBe('Must be 0 to 100')
    expect(fault(field('opening'), 'abc')).toBe('Must be a number')
    expect(fault(field('opening'), ' 7 ')).toBe('')
    expect(fault(field('note'), 'too long')).toBe('At most 5 characters')
    expect(fault(field('note'), '')).toBe('')
  })

  it('arguments have their own types and leave empty ones out', () => {
    const draft = { ...initialDraft(fields), ramp: 'fast', level: '2' }
    expect(argumentsOf(fields, draft)).toEqual({ opening: 40, ramp: 'fast', level: 2, force: false })
  })
})

describe('examples', () => {
  it('lie inside the schema', () => {
    expect(example(schema)).toEqual({ opening: 40, ramp: 'slow', level: 1, force: true, note: 'text' })
    expect(example({ type: 'number', minimum: 10 })).toBe(10)
    expect(example({ type: 'integer', minimum: 0, maximum: 5 })).toBe(3)
  })
})

describe('snippets', () => {
  const device = { id: 'dev-1', name: 'x', externalId: '', contractId: 'c', labels: {}, presence: 'never' as const, presenceChangedAt: null, lastSeenAt: null, createdAt: null }
  const contract = { id: 'c', name: 'W', version: 1, telemetrySchema: { properties: { flow: { type: 'number', minimum: 0, maximum: 400 } } }, metrics: [], commands: [] }

  it('carry code, address and a reading that the contract accepts', () => {
    const all = snippets('https://yard.example', device, contract, "yc_a'b", { email: 'a@b.example', tenant: 'aqua' })
    expect(all.map((s) => s.key)).toEqual(['key', 'enrol', 'publish', 'simulate'])
    expect(all[1]?.text).toContain('https://yard.example/api/v1/enrollments')
    expect(all[1]?.text).toContain("'yc_a'\\''b'")
    expect(all[2]?.text).toContain('-t device/dev-1/telemetry')
    expect(all[2]?.text).toContain('--cafile ca.pem --cert device.pem --key device.key')
    expect(sampleReading(contract)).toBe('{"flow":200}')
  })
})
