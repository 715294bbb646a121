// What the fake gateway holds, and what it can be made to do.
import { randomBytes, randomUUID } from 'node:crypto'
import { auditStore } from './audit.mjs'
import { channelStore } from './channels.mjs'
import { commandStore } from './commands.mjs'
import { contracts, makeDevices, measured, TENANT } from './data.mjs'
import { federationStore } from './federation.mjs'
import { guardStore } from './guard.mjs'
import { breakGlassStore } from './breakGlass.mjs'
import { organizationStore } from './organization.mjs'
import { passkeyStore } from './passkeys.mjs'
import { peopleStore } from './people.mjs'
import { pusherServer } from './pusher.mjs'
import { registrationStore } from './registration.mjs'
import { rightsStore } from './rights.mjs'
import { tenantStore } from './tenants.mjs'
import { trustStore } from './trust.mjs'

/** An answer that is a problem document. */
export class Refusal extends Error {
  constructor(status, code, title, detail = '', pointer = undefined) {
    super(title)
    Object.assign(this, { status, code, title, detail, pointer })
  }
}

export const iso = (ms = Date.now()) => new Date(ms).toISOString()

export function makeWorld(deviceCount) {
  const pusher = pusherServer()
  const devices = makeDevices(deviceCount, Date.now())
  const byId = new Map(devices.map((device) => [device.device_id, device]))
  const sessions = new Map()
  const certificates = new Map()
  const quarantine = new Map()
  const silent = new Set()
  const deviceTopic = (id) => `private-organization.${TENANT}.device.${id}`
  const publish = (id, event, data) => {
    const body = { event, device_id: id, at: iso(), ...data }
    pusher.publish(deviceTopic(id), event, body)
    if (event !== 'telemetry.received') pusher.publish(`private-organization.${TENANT}`, event, body)
  }
  const commands = commandStore(publish)
  const find = (id) => {
    const device = byId.get(id)
    if (!device) throw new Refusal(404, 'device.not_found', 'No such device')
    return device
  }
  const counts = () => {
    const out = {}
    for (const { presence } of devices) {
      const key = presence.replace('PRESENCE_', '').toLowerCase()
      out[key] = (out[key] ?? 0) + 1
    }
    return out
  }
  function certificatesOf(id) {
    if (!certificates.has(id)) {
      const known = byId.get(id)?.presence !== 'PRESENCE_NEVER'
      const now = Date.now()
      const day = 86_400_000
      certificates.set(id, known ? [
        { serial: '4f1c9a2b7de08356a1', device_id: id, state: 'CERTIFICATE_STATE_VALID', not_before: iso(now - 3 * day), not_after: iso(now + 87 * day), renews: '81d07f3ab2c95e6604' },
        { serial: '81d07f3ab2c95e6604', device_id: id, state: 'CERTIFICATE_STATE_VALID', not_before: iso(now - 64 * day), not_after: iso(now + 26 * day), superseded_at: iso(now + 4 * day), renews: '' },
        { serial: '2290bb61cc410f7e53', device_id: id, state: 'CERTIFICATE_STATE_REVOKED', enforced_at: iso(now - 70 * day + 640), not_before: iso(now - 110 * day), not_after: iso(now - 20 * day), revoked_at: iso(now - 70 * day), renews: '' },
      ] : [])
    }
    return certificates.get(id)
  }
  function valuesAt(device, at) {
    const contract = contracts.find((c) => c.contract_id === device.contract_id)
    return Object.fromEntries(contract.metrics.map((m) => [m.key, measured(m.key, at)]))
  }
  const reading = (device, at) => ({
    message_id: randomUUID(), device_id: device.device_id, occurred_at: iso(at), received_at: iso(at + 12), values: valuesAt(device, at), epoch: 1, sequence: Math.floor(at / 1000),
  })
  function quarantineOf(id) {
    if (!quarantine.has(id)) {
      const payload = Buffer.from('{"at":"2026-11-21T04:55:00Z","values":{"flow":912.4}}').toString('base64')
      quarantine.set(id, [
        { message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.out_of_range', pointer: '/values/flow', detail: '912.4 is greater than the maximum of 400', payload, received_at: iso(Date.now() - 340_000) },
        { message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.timestamp_missing', detail: 'a reading needs the field at', payload: Buffer.from('{"values":{"flow":101}}').toString('base64'), received_at: iso(Date.now() - 8_340_000) },
      ])
    }
    return quarantine.get(id)
  }

  return { pusher, devices, byId, sessions, certificates, quarantine, broker: { held: null }, silent, deviceTopic, publish, commands, find, counts, certificatesOf, quarantineOf, reading, guard: guardStore(), audit: auditStore(), rights: rightsStore(), breakGlass: breakGlassStore(), trust: trustStore(devices), people: peopleStore(), organization: organizationStore(), tenants: tenantStore(), federation: federationStore(), registration: registrationStore(), passkeys: passkeyStore(), channels: channelStore() }
}

/** Ends what was held; from now on work is done by itself, or waits for the next call. */
function holdWork(store, on) {
  for (const work of store.held ?? []) work()
  store.held = on ? [] : null
}

/** Levers for tests; never part of a product. */
export function makeControl(world, broken) {
  const { pusher, commands, certificates, quarantine, silent, find, publish, reading } = world
  const control = {
    /** The next `times` requests whose path, or method and path, start so are refused; `pointer` names the value at fault. */
    break: (prefix, status, code, times = 1, pointer = undefined) => broken.set(prefix, { status, code, times, pointer }),
    presence(id, state) {
      Object.assign(find(id), { presence: `PRESENCE_${state}`, presence_changed_at: iso() })
      publish(id, 'presence.changed', { presence: `PRESENCE_${state}` })
    },
    speak(id) {
      silent.delete(id)
      certificates.set(id, [{ serial: randomBytes(9).toString('hex'), device_id: id, state: 'CERTIFICATE_STATE_VALID', not_before: iso(), not_after: iso(Date.now() + 90 * 86_400_000) }])
      find(id).last_seen_at = iso()
      control.presence(id, 'ONLINE')
      publish(id, 'telemetry.received', reading(find(id), Date.now()))
    },
    refuse: (id) => quarantine.set(id, [{ message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.out_of_range', pointer: '/values/flow', detail: '912.4 is greater than the maximum of 400', payload: 'e30=', received_at: iso() }]),
    drop: () => pusher.dropAll(),
    hold: (on) => commands.hold(on),
    exporting: (how) => (world.organization.exporting = how),
    holdTenants: (on) => holdWork(world.tenants, on),
    /** Whether the broker confirms what it is told. */
    holdBroker: (on) => holdWork(world.broker, on),
    /** Plans, tenants and what they use are as they were at the start. */
    freshTenants: () => Object.assign(world.tenants, tenantStore()),
    providerSays: (what) => (world.federation.says = what),
    /** Whether it is open, and what stops one under way: held, failing. */
    registration: (how) => Object.assign(world.registration, how),
    /** As if it had been at another address when the passkeys of now were made. */
    moved: (from) => world.passkeys.all.forEach((one) => Object.assign(one, { of_former_domain: true, rp_id: from })),
    /** So many that the next trace has left out, and how many instances answer. */
    channels: (how) => Object.assign(world.channels, how),
    endTraces: () => world.channels.traces.forEach((one) => one.end()),
    releaseExport: () => world.organization.release(),
  }
  return control
}
