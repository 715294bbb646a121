// The unmodified `pusher` of npm, which a tenant's own server has. Each line is a call,
// {"call": name, "args": […]}, and is answered by one line.
//
// node server.mjs HOST PORT APP_ID KEY SECRET
import { createInterface } from 'node:readline'
import Pusher from 'pusher'

const [host, port, appId, key, secret] = process.argv.slice(2)
const pusher = new Pusher({ appId, key, secret, host, port, useTLS: false })

async function answer({ call, args }) {
  try {
    const came = await pusher[call](...args)
    return came.json ? { status: came.status, value: await came.json() } : { value: came }
  } catch (error) {
    return { error: error.name, status: error.status }
  }
}

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await answer(JSON.parse(line))))
