// The commands a person copies. Everything they need stands in them; nothing must be filled in.
import type { Contract, Device } from '@/api/types'
import { example } from '@/features/device/schemaForm'

export interface Snippet {
  key: string
  title: string
  why: string
  text: string
}

/** For use inside single quotes in a POSIX shell. */
const quoted = (text: string): string => text.replaceAll("'", "'\\''")

export function sampleReading(contract: Contract | null): string {
  const values = example({ type: 'object', ...contract?.telemetrySchema })
  return JSON.stringify(values)
}

const keyAndRequest: Snippet = {
  key: 'key',
  title: 'Key and certificate request',
  why: 'Run this on the device: the private key is made there and never leaves it.',
  text: [
    'openssl ecparam -name prime256v1 -genkey -noout -out device.key',
    'openssl req -new -key device.key -out device.csr -subj /CN=device',
  ].join('\n'),
}

const enrolment = (origin: string, code: string): Snippet => ({
  key: 'enrol',
  title: 'Certificate in exchange for the claim code',
  why: 'Needs curl and jq. The code works once. “yard enroll --claim-code … --dir .” does this step and the one before in one.',
  text: [
    `jq -n --arg code '${quoted(code)}' --rawfile csr device.csr \\`,
    "    '{claim_code: $code, csr_pem: $csr}' \\",
    "  | curl --fail-with-body -sS -H 'Content-Type: application/json' \\",
    `    --data @- -o connection.json ${origin}/api/v1/enrollments`,
    'jq -r .certificate_pem connection.json > device.pem',
    'jq -r .ca_pem connection.json > ca.pem',
  ].join('\n'),
})

const publish = (device: Device, contract: Contract | null): Snippet => ({
  key: 'publish',
  title: 'A first reading',
  why: 'The certificate is the only credential: it says which device this is, and of which tenant.',
  text: [
    'mosquitto_pub -V 5 -q 1 --cafile ca.pem --cert device.pem --key device.key \\',
    '  -h "$(jq -r .mqtt_host connection.json)" -p "$(jq -r .mqtt_port connection.json)" \\',
    `  -i ${device.id} \\`,
    `  -t device/${device.id}/telemetry \\`,
    `  -m '{"at":"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'","values":${quoted(sampleReading(contract))}}'`,
  ].join('\n'),
})

const simulate = (origin: string, person: Person): Snippet => ({
  key: 'simulate',
  title: 'No device at hand? Simulate three',
  why: 'Makes devices of its own in this tenant, which replay recorded measurements and take commands. They appear under Devices.',
  text: [
    "read -rsp 'Password: ' PASS && printf %s \"$PASS\" | yard login --password-file - \\",
    `  --url ${origin} --email ${person.email} --tenant ${person.tenant}`,
    'yard simulate --data data/water-flow.csv --count 3 --state-dir simulated',
  ].join('\n'),
})

/** Who will run the simulation. */
export interface Person {
  email: string
  tenant: string
}

export const snippets = (
  origin: string,
  device: Device,
  contract: Contract | null,
  code: string,
  person: Person,
): Snippet[] => [keyAndRequest, enrolment(origin, code), publish(device, contract), simulate(origin, person)]
