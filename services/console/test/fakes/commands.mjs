// Commands of the fake gateway: they go through their states by themselves.
import { randomUUID } from 'node:crypto'

const STEPS = [
  ['DISPATCHED', 60, 'service:device-ingest', 'broker accepted'],
  ['DELIVERED', 240, 'device', 'device reported'],
  ['RUNNING', 420, 'device', 'device reported'],
  ['SUCCEEDED', 1400, 'device', 'device reported'],
]

export function commandStore(publish) {
  const all = new Map()
  const byKey = new Map()
  let held = false
  const iso = (ms = Date.now()) => new Date(ms).toISOString()

  function step(command, state, actor, evidence) {
    if (command.state.endsWith('CANCELLED')) return
    command.state = `COMMAND_STATE_${state}`
    command.updated_at = iso()
    command.events.push({ state: command.state, at: command.updated_at, actor, evidence })
    if (state === 'SUCCEEDED') command.result = { opening: command.arguments.opening ?? 0, took_ms: 1160 }
    publish(command.device_id, 'command.changed', { command_id: command.command_id, name: command.name, state: command.state, at: command.updated_at, evidence })
  }

  /** A past for every device, so that its page has something to show. */
  function history(deviceId) {
    if ([...all.values()].some((c) => c.device_id === deviceId && c.old)) return
    const past = [
      [3_600_000, [['QUEUED', 0], ['DISPATCHED', 41], ['DELIVERED', 208], ['SUCCEEDED', 1312]], { opening: 40 }],
      [90_000_000, [['QUEUED', 0], ['DISPATCHED', 38], ['EXPIRED', 60_000]], null],
      [93_000_000, [['QUEUED', 0], ['DISPATCHED', 52], ['FAILED', 900]], { error: 'valve blocked at 31 %' }],
    ]
    for (const [ago, steps, result] of past) {
      const start = Date.now() - ago
      const id = randomUUID()
      const events = steps.map(([state, after]) => ({
        state: `COMMAND_STATE_${state}`, at: iso(start + after),
        actor: state === 'QUEUED' ? 'principal:0197a3c2-5c1e-7d44-9b1f-3a5d2e8c1002' : ['DISPATCHED', 'EXPIRED'].includes(state) ? 'service:device-ingest' : `device:${deviceId}`,
        evidence: { QUEUED: 'stored', DISPATCHED: 'broker accepted', EXPIRED: 'deadline passed' }[state] ?? 'device reported',
      }))
      all.set(id, {
        command_id: id, device_id: deviceId, name: 'set_valve', arguments: { opening: 40, ramp: 'normal', force: false }, state: events.at(-1).state,
        deadline: iso(start + 60_000), created_at: iso(start), updated_at: events.at(-1).at, created_by: '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c1002', ...(result ? { result } : {}), events, old: true,
      })
    }
  }
  const clean = ({ old: _old, ...command }) => structuredClone(command)

  return {
    list(deviceId) {
      history(deviceId)
      return [...all.values()].filter((c) => c.device_id === deviceId).sort((a, b) => b.created_at.localeCompare(a.created_at)).map(clean)
    },
    get: (id) => (all.has(id) ? clean(all.get(id)) : null),
    hold: (on) => (held = on),
    send(device, body, me, key) {
      if (byKey.has(key)) return clean(byKey.get(key))
      const now = Date.now()
      const command = {
        command_id: randomUUID(), device_id: device.device_id, name: body.name, arguments: body.arguments ?? {}, state: 'COMMAND_STATE_QUEUED',
        deadline: iso(now + (body.deadline_seconds || 60) * 1000), created_at: iso(now), updated_at: iso(now), created_by: me.principal_id,
        events: [{ state: 'COMMAND_STATE_QUEUED', at: iso(now), actor: `principal:${me.principal_id}`, evidence: 'stored' }],
      }
      all.set(command.command_id, command)
      byKey.set(key, command)
      const steps = held ? STEPS.slice(0, 1) : STEPS
      for (const [state, after, actor, evidence] of steps) {
        setTimeout(() => step(command, state, actor === 'device' ? `device:${device.device_id}` : actor, evidence), after)
      }
      return clean(command)
    },
    cancel(id, me) {
      const command = all.get(id)
      if (!command || !/QUEUED|DISPATCHED/.test(command.state)) return null
      step(command, 'CANCELLED', `principal:${me.principal_id}`, 'cancelled before delivery')
      return clean(command)
    },
  }
}
