// A form from the arguments' JSON Schema: flat objects of numbers, booleans, choices and words.
// The server checks the arguments against the whole schema; this only helps to write them.
import type { JsonSchema } from '@/api/types'

export type FieldKind = 'number' | 'integer' | 'boolean' | 'choice' | 'text'

export interface FormField {
  key: string
  label: string
  hint: string
  kind: FieldKind
  required: boolean
  choices: unknown[]
  minimum: number | null
  maximum: number | null
  maxLength: number | null
  initial: string | boolean
}

const record = (value: unknown): Record<string, unknown> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function kindOf(schema: Record<string, unknown>): FieldKind | null {
  if (Array.isArray(schema.enum)) return 'choice'
  switch (schema.type) {
    case 'number':
    case 'integer':
    case 'boolean':
      return schema.type
    case 'string':
      return 'text'
    default:
      return null
  }
}

function range(minimum: number | null, maximum: number | null): string {
  if (minimum !== null && maximum !== null) return `${minimum} to ${maximum}`
  if (minimum !== null) return `at least ${minimum}`
  return maximum !== null ? `at most ${maximum}` : ''
}

function formField(key: string, schema: Record<string, unknown>, required: boolean): FormField | null {
  const kind = kindOf(schema)
  if (!kind) return null
  const minimum = numberOf(schema.minimum)
  const maximum = numberOf(schema.maximum)
  const hint = [textOf(schema.description), range(minimum, maximum)].filter(Boolean).join(' · ')
  const title = textOf(schema.title) || key.replaceAll('_', ' ').replace(/^./, (c) => c.toUpperCase())
  return {
    key, kind, required, hint, minimum, maximum,
    label: required || kind === 'boolean' ? title : `${title} (optional)`,
    choices: Array.isArray(schema.enum) ? schema.enum : [],
    maxLength: numberOf(schema.maxLength),
    initial: kind === 'boolean' ? schema.default === true : schema.default === undefined ? '' : String(schema.default),
  }
}

/** The fields of a schema, or `null` when it needs more than a flat form can say. */
export function formFields(schema: JsonSchema): FormField[] | null {
  const properties = record(schema.properties) ?? {}
  const required = Array.isArray(schema.required) ? schema.required : []
  const fields: FormField[] = []
  for (const [key, value] of Object.entries(properties)) {
    const one = record(value)
    const made = one && formField(key, one, required.includes(key))
    if (!made) return null
    fields.push(made)
  }
  return fields
}

export type Draft = Record<string, string | boolean>

export const initialDraft = (fields: FormField[]): Draft =>
  Object.fromEntries(fields.map((field) => [field.key, field.initial]))

/** What is wrong with one input, in words; empty when nothing is. */
export function fault(field: FormField, value: string | boolean | undefined): string {
  if (typeof value === 'boolean') return ''
  const text = (value ?? '').trim()
  if (text === '') return field.required ? 'Needed' : ''
  if (field.kind === 'number' || field.kind === 'integer') return numberFault(field, Number(text))
  if (field.maxLength !== null && text.length > field.maxLength) return `At most ${field.maxLength} characters`
  return ''
}

function numberFault(field: FormField, value: number): string {
  if (!Number.isFinite(value)) return 'Must be a number'
  if (field.kind === 'integer' && !Number.isInteger(value)) return 'Must be a whole number'
  const outside = (field.minimum !== null && value < field.minimum) || (field.maximum !== null && value > field.maximum)
  return outside ? `Must be ${range(field.minimum, field.maximum)}` : ''
}

/** The arguments to send; inputs left empty are left out. */
export function argumentsOf(fields: FormField[], draft: Draft): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const field of fields) {
    const value = draft[field.key]
    if (typeof value === 'boolean') out[field.key] = value
    else if (value !== undefined && value.trim() !== '') out[field.key] = typed(field, value.trim())
  }
  return out
}

function typed(field: FormField, text: string): unknown {
  if (field.kind === 'choice') return field.choices.find((choice) => String(choice) === text)
  return field.kind === 'text' ? text : Number(text)
}

/** An example value that a schema accepts, for ready-made commands. */
export function example(schema: unknown): unknown {
  const one = record(schema) ?? {}
  if (one.default !== undefined) return one.default
  if (Array.isArray(one.examples) && one.examples.length) return one.examples[0]
  if (Array.isArray(one.enum)) return one.enum[0]
  if (one.type === 'object') {
    return Object.fromEntries(Object.entries(record(one.properties) ?? {}).map(([k, v]) => [k, example(v)]))
  }
  if (one.type === 'boolean') return true
  if (one.type === 'string') return 'text'
  if (one.type === 'array') return []
  return exampleNumber(one)
}

function exampleNumber(schema: Record<string, unknown>): number {
  const minimum = numberOf(schema.minimum)
  const maximum = numberOf(schema.maximum)
  const middle = minimum !== null && maximum !== null ? (minimum + maximum) / 2 : (minimum ?? maximum ?? 1)
  return schema.type === 'integer' ? Math.round(middle) : Number(middle.toFixed(2))
}
