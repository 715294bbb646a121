// An audit chain of 180 entries.
import { createHash } from 'node:crypto'
import { people, TENANT } from './data.mjs'
import { iso } from './world.mjs'

const ACTS = [
  ['yard.device.v1.DeviceService/CreateDevice', 'device', 'AUDIT_KIND_CALL', 'ok'], ['yard.identity.v1.SessionService/Login', '', 'AUDIT_KIND_SIGN_IN', 'ok'],
  ['yard.command.v1.CommandService/SendCommand', 'command', 'AUDIT_KIND_CALL', 'ok'], ['yard.identity.v1.SessionService/Login', '', 'AUDIT_KIND_SIGN_IN', 'auth.invalid_credentials'],
  ['yard.rights.v1.RoleService/UpdateRole', 'role', 'AUDIT_KIND_DENIAL', 'auth.forbidden'], ['yard.identity.v1.EnrollmentService/RevokeCertificate', 'certificate', 'AUDIT_KIND_CALL', 'unknown'],
]
const hash = (n) => (n === 0 ? '0'.repeat(64) : createHash('sha256').update(`entry ${n}`).digest('hex'))

function event(sequence, now) {
  const [action, object_type, kind, outcome] = ACTS[sequence % ACTS.length]
  const who = people[sequence % 3]
  const erased = sequence % 17 === 0
  return {
    sequence, event_id: `e${sequence}`, tenant_id: TENANT, kind, occurred_at: iso(now - (180 - sequence) * 613_000), recorded_at: iso(now - (180 - sequence) * 613_000 + 20), service: 'auth', actor: `person:${who.principal_id}`, acting_as: who.role, session_id: '',
    action, object_type, object_id: object_type ? `0197a3c2-6000-7000-8000-00000000000${sequence % 10}` : '', outcome, incident: outcome === 'ok' ? '' : `req_${sequence}`, trace_id: '', address_prefix: '192.0.2.0/24', changed_fields: object_type === 'role' ? ['permissions'] : [], repeats: outcome === 'auth.forbidden' ? 4 : 1, resolves: 0,
    personal: { subject_id: who.principal_id, erased, email: erased ? '' : who.email, display_name: erased ? '' : who.display_name, address: erased ? '' : '192.0.2.17', user_agent: erased ? '' : 'Firefox on Linux', salt: '' },
    personal_commitment: hash(sequence + 1000), previous_hash: hash(sequence - 1), hash: hash(sequence),
  }
}

export function auditStore() {
  const now = Date.now()
  return { events: Array.from({ length: 180 }, (_, n) => event(180 - n, now)), problem: '' }
}

const fits = (query) => (one) => {
  const same = ['actor', 'object_type', 'object_id', 'incident', 'kind'].every((key) => !query.get(key) || one[key] === query.get(key))
  const outcome = query.get('outcome')
  const ended = !outcome || (outcome === 'refused' ? one.outcome !== 'ok' : one.outcome === outcome)
  return same && ended && one.action.startsWith(query.get('action') ?? '') && (!query.get('from') || one.occurred_at >= query.get('from')) && (!query.get('to') || one.occurred_at < query.get('to'))
}

export const auditRoutes = ({ audit }) => {
  const search = ({ query }) => {
    const after = Number(query.get('page_token') || Infinity)
    const rows = audit.events.filter(fits(query)).filter((one) => one.sequence < after)
    const events = rows.slice(0, Number(query.get('page_size')) || 50)
    return { events, next_page_token: rows.length > events.length ? String(events.at(-1).sequence) : '' }
  }
  const status = () => ({ head_sequence: 180, head_hash: hash(180), first_sequence: 1, anchored_sequence: 172, verified_sequence: 180, verified_at: iso(Date.now() - 42_000), problem: audit.problem })
  return [
    ['GET', '/api/v1/audit/events', 'audit.read', search],
    ['GET', '/api/v1/audit/status', 'audit.read', status],
    ['GET', '/api/v1/audit/platform/events', 'ops.read', search],
    ['GET', '/api/v1/audit/platform/status', 'ops.read', status],
  ]
}
