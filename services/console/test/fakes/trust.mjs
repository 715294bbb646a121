// Devices that came back late.
import { iso, Refusal } from './world.mjs'

export function trustStore(devices) {
  const now = Date.now()
  const one = (device, state, since) => ({ device_id: device.device_id, display_name: device.name, state: `QUARANTINE_STATE_${state}`, since: iso(now - since) })
  return { returned: devices.length > 5 ? [one(devices[3], 'WAITING', 7_200_000), one(devices[4], 'WAITING', 340_000), one(devices[5], 'REFUSED', 90_000_000)] : [] }
}

export const trustRoutes = ({ trust }) => {
  const decide = (state) => ({ id }) => {
    const found = trust.returned.find((one) => one.device_id === id)
    if (!found) throw new Refusal(404, 'resource.not_found', 'There is no such thing, or it is not yours')
    return Object.assign(found, { state: `QUARANTINE_STATE_${state}`, since: iso() })
  }
  return [
    ['GET', '/api/v1/quarantined-devices', 'devices.read', () => ({ devices: trust.returned, next_page_token: '' })],
    ['POST', '/api/v1/quarantined-devices/:id/approval', 'devices.enroll', decide('APPROVED')],
    ['POST', '/api/v1/quarantined-devices/:id/refusal', 'devices.enroll', decide('REFUSED')],
  ]
}
