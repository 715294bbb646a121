// Drives the helper over an unmodified pusher-js against a running service; started by
// services/comms-websocket/tests/it/helper_js.rs. Commands by standard input, what is seen as JSON lines.
import { createHmac } from 'node:crypto'
import { createInterface } from 'node:readline'
import Pusher from 'pusher-js'
import { Outgoing, Positions } from '../dist/index.js'

const [host, port, key, secret] = process.argv.slice(2)
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const sign = (text) => `${key}:${createHmac('sha256', secret).update(text).digest('hex')}`

// What the app's own server does.
async function authorize({ socketId, channelName, channelData }) {
  if (channelData === undefined) return { auth: sign(`${socketId}:${channelName}`) }
  return { auth: sign(`${socketId}:${channelName}:${channelData}`), channel_data: channelData }
}

const positions = new Positions((recovery) => tell({ recovery }))
const pusher = new Pusher(key, {
  cluster: '',
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  disableStats: true,
  channelAuthorization: { customHandler: positions.authorizing(authorize) },
})
pusher.connection.bind('state_change', ({ current }) => tell({ state: current }))

const outgoing = new Map()
const commands = {
  follow(name) {
    const channel = pusher.subscribe(name)
    positions.follow(channel)
    outgoing.set(name, new Outgoing(channel))
    channel.bind_global((event, data) => tell({ event, data, position: positions.of(name) }))
  },
  leave: () => pusher.disconnect(),
  back: () => pusher.connect(),
  say(name, text) {
    outgoing.get(name).say('client-said', { text }).then(
      (position) => tell({ kept: text, position }),
      (error) => tell({ refused: text, reason: error.message }),
    )
  },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, ...rest] = line.split(' ')
  commands[command](...rest)
})
