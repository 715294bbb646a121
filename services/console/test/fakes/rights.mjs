// An organisation with roles of its own, departments, positions and exceptions, and the decisions
// that follow from them.
import { randomUUID } from 'node:crypto'
import { people, PERMISSIONS, ROLES } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const id = (n) => `0197a3c2-8000-7000-8000-${String(n).padStart(12, '0')}`
const department = (n, name, parent = 0) => ({ department_id: id(n), parent_id: parent ? id(parent) : '', name, created_at: '2026-09-01T08:00:00Z' })
const builtIn = (role, name) => ({ role, name, description: '', permissions: ROLES[role], built_in: true })
const own = (role, name, description, permissions) => ({ role, name, description, permissions, built_in: false, changed_at: '2026-10-02T09:00:00Z' })
const position = (n, at, title, rank, duty_from, duty_kinds, roles) => ({ position_id: id(n), department_id: id(at), title, rank, duty_from: `SEVERITY_${duty_from}`, duty_kinds, roles: roles.map(([role, scope]) => ({ role, scope: `GRANT_SCOPE_${scope}` })), created_at: '2026-09-01T08:00:00Z' })
const holding = (n, of, who, from, to) => ({ assignment_id: id(n), position_id: id(of), principal_id: who.principal_id, display_name: who.display_name, starts_at: iso(Date.now() + from), ...(to ? { ends_at: iso(Date.now() + to) } : {}) })
const override = (n, over) => ({ override_id: id(n), principal_id: '', position_id: '', department_id: '', decided_by: '', decision_reason: '', ended_by: '', ...over })

export function rightsStore() {
  const [owner, operator, viewer] = people
  const now = Date.now()
  return {
    roles: [builtIn('owner', 'Owner'), builtIn('operator', 'Operator'), builtIn('viewer', 'Viewer'), own('valve-keeper', 'Valve keeper', 'Opens and closes valves', ['devices.read', 'telemetry.read', 'devices.control'])],
    departments: [department(1, 'Operations'), department(2, 'Harbour', 1), department(3, 'Hillside', 1), department(4, 'Pump house', 3), department(5, 'Administration')],
    positions: [
      position(11, 2, 'Shift lead', 20, 'WARNING', [], [['valve-keeper', 'SUBTREE']]), position(12, 2, 'Deputy', 10, 'CRITICAL', ['pump.dry', 'door.forced'], []),
      position(13, 1, 'Head of operations', 60, 'CRITICAL', [], [['operator', 'TENANT']]),
    ],
    assignments: [holding(21, 11, viewer, -30 * DAY, 6 * HOUR), holding(22, 13, operator, -200 * DAY), holding(23, 11, operator, -90 * DAY, -30 * DAY), holding(24, 12, operator, 2 * DAY)],
    overrides: [
      override(31, { principal_id: viewer.principal_id, permission: 'devices.enroll', effect: 'OVERRIDE_EFFECT_ALLOW', scope: 'GRANT_SCOPE_SUBTREE', department_id: id(3), reason: 'Replaces the meters on Hillside', state: 'OVERRIDE_STATE_REQUESTED', requested_by: operator.principal_id, requested_at: iso(now - 20 * 60_000), expires_at: iso(now + 2 * DAY) }),
      override(32, { principal_id: operator.principal_id, permission: 'devices.control', effect: 'OVERRIDE_EFFECT_DENY', scope: 'GRANT_SCOPE_TENANT', reason: 'Until the valve training is done', state: 'OVERRIDE_STATE_APPROVED', requested_by: owner.principal_id, requested_at: iso(now - DAY), expires_at: iso(now + 34 * 60_000) }),
      override(33, { position_id: id(11), permission: 'audit.read', effect: 'OVERRIDE_EFFECT_ALLOW', scope: 'GRANT_SCOPE_DEPARTMENT', reason: 'Looks into the spill of 12 November', state: 'OVERRIDE_STATE_REFUSED', requested_by: operator.principal_id, requested_at: iso(now - 9 * DAY), expires_at: iso(now + DAY), decided_by: owner.principal_id, decided_at: iso(now - 8 * DAY), decision_reason: 'I send you the extract' }),
    ],
  }
}

const path = (store, at) => (at ? [at, ...path(store, store.departments.find((one) => one.department_id === at)?.parent_id)] : [])
const active = (one) => one.state === 'OVERRIDE_STATE_APPROVED' && one.expires_at > iso()
const holds = (one) => one.starts_at <= iso() && (!one.ends_at || one.ends_at > iso())

function reaches(store, deny, scope, from, { department, own: mine }) {
  if (scope === 'GRANT_SCOPE_TENANT') return true
  if (scope === 'GRANT_SCOPE_OWN') return deny || mine
  if (!department) return deny
  return scope === 'GRANT_SCOPE_DEPARTMENT' ? department === from : path(store, department).includes(from)
}

function decide(store, who, permission, target) {
  const held = store.assignments.filter((one) => one.principal_id === who && holds(one)).map((one) => store.positions.find((p) => p.position_id === one.position_id)).filter(Boolean)
  const overrides = store.overrides.filter((one) => active(one) && one.permission === permission && (one.principal_id === who || held.some((p) => p.position_id === one.position_id)))
  const exception = (one, kind) => ({ kind: `RULE_KIND_${kind}`, scope: one.scope, role: '', position_id: one.position_id, department_id: one.department_id || held.find((p) => p.position_id === one.position_id)?.department_id || '', override_id: one.override_id, reason: one.reason, expires_at: one.expires_at })
  const plain = { role: '', position_id: '', department_id: '', override_id: '', reason: '' }
  const has = (role) => store.roles.find((one) => one.role === role)?.permissions.includes(permission)
  const member = people.find((one) => one.principal_id === who)
  const rules = [
    ...overrides.filter((one) => one.effect === 'OVERRIDE_EFFECT_DENY').map((one) => exception(one, 'DENY_OVERRIDE')),
    ...overrides.filter((one) => one.effect === 'OVERRIDE_EFFECT_ALLOW').map((one) => exception(one, 'ALLOW_OVERRIDE')),
    ...held.flatMap((p) => p.roles.filter((one) => has(one.role)).map((one) => ({ ...plain, kind: 'RULE_KIND_POSITION_ROLE', scope: one.scope, role: one.role, position_id: p.position_id, department_id: p.department_id }))),
    ...(member && has(member.role) ? [{ ...plain, kind: 'RULE_KIND_MEMBERSHIP_ROLE', scope: 'GRANT_SCOPE_TENANT', role: member.role }] : []),
    { ...plain, kind: 'RULE_KIND_DEFAULT_DENY', scope: 'GRANT_SCOPE_TENANT' },
  ].map((rule) => ({ ...rule, reaches: reaches(store, rule.kind === 'RULE_KIND_DENY_OVERRIDE', rule.scope, rule.department_id, target), decides: false }))
  const deciding = rules.find((rule) => rule.reaches)
  deciding.decides = true
  const ends = overrides.map((one) => one.expires_at).sort()[0]
  return { principal_id: who, permission, allowed: !/DENY/.test(deciding.kind), rules, ...(ends ? { stands_until: ends } : {}) }
}

const SEVERITY = ['SEVERITY_UNSPECIFIED', 'SEVERITY_INFORMATION', 'SEVERITY_WARNING', 'SEVERITY_CRITICAL']
function route(store, department, kind, severity) {
  const answers = (p) => p.duty_from !== 'SEVERITY_UNSPECIFIED' && SEVERITY.indexOf(severity) >= SEVERITY.indexOf(p.duty_from) && (!p.duty_kinds.length || p.duty_kinds.includes(kind))
  const on = (p) => store.assignments.filter((one) => one.position_id === p.position_id && holds(one)).map(({ principal_id, display_name }) => ({ principal_id, display_name }))
  const steps = path(store, department).flatMap((at) => store.positions.filter((p) => p.department_id === at && answers(p) && on(p).length).sort((a, b) => a.rank - b.rank).map((p) => ({ department_id: at, position_id: p.position_id, title: p.title, rank: p.rank, people: on(p), owners: false })))
  const [owner] = people
  return { steps: [...steps, { department_id: '', position_id: '', title: '', rank: 0, people: [{ principal_id: owner.principal_id, display_name: owner.display_name }], owners: true }] }
}

const inUse = () => new Refusal(409, 'rights.in_use', 'It is still held, or something still stands in it')
const beyond = () => new Refusal(403, 'rights.beyond_own', 'Nobody hands on what they do not hold, nor approves it for themselves')
const drop = (list, one) => (list.splice(list.indexOf(one), 1), {})
const pick = (body, ...fields) => Object.fromEntries(fields.filter((field) => field in body).map((field) => [field, body[field]]))

const roles = (store) => [
  ['GET', '/api/v1/permissions', 'rights.read', () => ({ permissions: PERMISSIONS })],
  ['GET', '/api/v1/roles', 'rights.read', () => ({ roles: store.roles, next_page_token: '' })],
  ['POST', '/api/v1/roles', 'rights.manage', ({ body, me }) => {
    if (body.permissions.some((one) => !me.permissions.includes(one))) throw beyond()
    store.roles.push({ ...body, built_in: false, changed_at: iso() })
    return store.roles.at(-1)
  }],
  ['PATCH', '/api/v1/roles/:id', 'rights.manage', ({ id: key, body }) => Object.assign(store.roles.find((one) => one.role === key), pick(body, 'name', 'description', 'permissions'))],
  ['DELETE', '/api/v1/roles/:id', 'rights.manage', ({ id: key }) => {
    if (store.positions.some((one) => one.roles.some((held) => held.role === key))) throw inUse()
    return drop(store.roles, store.roles.find((one) => one.role === key))
  }],
]

const organisation = (store) => {
  const at = (key) => store.departments.find((one) => one.department_id === key)
  const seat = (key) => store.positions.find((one) => one.position_id === key)
  return [
    ['GET', '/api/v1/departments', 'rights.read', () => ({ departments: store.departments, next_page_token: '' })],
    ['POST', '/api/v1/departments', 'rights.manage', ({ body }) => {
      store.departments.push({ department_id: randomUUID(), ...body, created_at: iso() })
      return store.departments.at(-1)
    }],
    ['PATCH', '/api/v1/departments/:id', 'rights.manage', ({ id: key, body }) => Object.assign(at(key), pick(body, 'name', 'parent_id'))],
    ['DELETE', '/api/v1/departments/:id', 'rights.manage', ({ id: key }) => {
      if (store.departments.some((one) => one.parent_id === key) || store.positions.some((one) => one.department_id === key)) throw inUse()
      return drop(store.departments, at(key))
    }],
    ['GET', '/api/v1/departments/:id/route', 'rights.read', ({ id: key, query }) => route(store, key, query.get('kind') ?? '', query.get('severity') ?? 'SEVERITY_CRITICAL')],
    ['GET', '/api/v1/positions', 'rights.read', () => ({ positions: store.positions, next_page_token: '' })],
    ['POST', '/api/v1/positions', 'rights.manage', ({ body }) => {
      store.positions.push({ position_id: randomUUID(), ...body, roles: [], created_at: iso() })
      return store.positions.at(-1)
    }],
    ['PATCH', '/api/v1/positions/:id', 'rights.manage', ({ id: key, body }) => Object.assign(seat(key), pick(body, 'title', 'rank', 'duty_from', 'duty_kinds'))],
    ['DELETE', '/api/v1/positions/:id', 'rights.manage', ({ id: key }) => drop(store.positions, seat(key))],
    ['PUT', '/api/v1/positions/:id/roles/:sub', 'rights.manage', ({ id: key, sub, body }) => Object.assign(seat(key), { roles: [...seat(key).roles.filter((one) => one.role !== sub), { role: sub, scope: body.scope }] })],
    ['DELETE', '/api/v1/positions/:id/roles/:sub', 'rights.manage', ({ id: key, sub }) => Object.assign(seat(key), { roles: seat(key).roles.filter((one) => one.role !== sub) })],
    ['GET', '/api/v1/assignments', 'rights.read', ({ query }) => ({ assignments: store.assignments.filter((one) => one.position_id === query.get('position_id')), next_page_token: '' })],
    ['POST', '/api/v1/positions/:id/assignments', 'rights.manage', ({ id: key, body }) => {
      const who = people.find((one) => one.principal_id === body.principal_id)
      store.assignments.push({ assignment_id: randomUUID(), position_id: key, principal_id: who.principal_id, display_name: who.display_name, starts_at: iso(), ...pick(body, 'starts_at', 'ends_at') })
      return store.assignments.at(-1)
    }],
    ['DELETE', '/api/v1/assignments/:id', 'rights.manage', ({ id: key }) => Object.assign(store.assignments.find((one) => one.assignment_id === key), { ends_at: iso() })],
  ]
}

const exceptions = (store) => {
  const find = (key) => store.overrides.find((one) => one.override_id === key)
  return [
    ['GET', '/api/v1/overrides', 'rights.read', ({ query }) => ({ overrides: store.overrides.filter((one) => !query.get('state') || one.state === query.get('state')), next_page_token: '' })],
    ['POST', '/api/v1/overrides', 'rights.manage', ({ body, me }) => {
      const state = body.effect === 'OVERRIDE_EFFECT_DENY' ? 'APPROVED' : 'REQUESTED'
      store.overrides.unshift(override(0, { ...body, override_id: randomUUID(), state: `OVERRIDE_STATE_${state}`, requested_by: me.principal_id, requested_at: iso() }))
      return store.overrides[0]
    }],
    ['POST', '/api/v1/overrides/:id/approval', 'rights.manage', ({ id: key, me }) => {
      const one = find(key)
      if (one.requested_by === me.principal_id || one.principal_id === me.principal_id) throw beyond()
      return Object.assign(one, { state: 'OVERRIDE_STATE_APPROVED', decided_by: me.principal_id, decided_at: iso() })
    }],
    ['POST', '/api/v1/overrides/:id/refusal', 'rights.manage', ({ id: key, me, body }) => Object.assign(find(key), { state: 'OVERRIDE_STATE_REFUSED', decided_by: me.principal_id, decided_at: iso(), decision_reason: body.reason })],
    ['DELETE', '/api/v1/overrides/:id', 'rights.manage', ({ id: key, me }) => Object.assign(find(key), { state: 'OVERRIDE_STATE_ENDED', ended_by: me.principal_id, ended_at: iso() })],
    ['GET', '/api/v1/decisions', 'rights.read', ({ query }) => decide(store, query.get('principal_id'), query.get('permission'), { department: query.get('department_id') ?? '', own: query.get('own') === 'true' })],
  ]
}

export const rightsRoutes = ({ rights }) => [...roles(rights), ...organisation(rights), ...exceptions(rights)]
