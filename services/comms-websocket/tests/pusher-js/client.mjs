// The unmodified pusher-js (its Node build), told what to do by the test and telling what it sees,
// one JSON object a line each way.
//
// node client.mjs HOST PORT KEY AUTH_ENDPOINT
import { createInterface } from 'node:readline'
import Pusher from 'pusher-js'

const [host, port, key, endpoint] = process.argv.slice(2)
const tell = (what, more = {}) => console.log(JSON.stringify({ what, ...more }))

const pusher = new Pusher(key, {
  cluster: '',
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  // Less than the server allows, so that the client's own pings are seen within the test.
  activityTimeout: 500,
  pongTimeout: 2000,
  channelAuthorization: { transport: 'ajax', endpoint },
})

pusher.connection.bind('state_change', ({ current }) => tell('state', { state: current }))
pusher.connection.bind('message', ({ event }) => {
  if (event === 'pusher:pong') tell('pong')
})
pusher.connection.bind('error', ({ data }) => tell('error', { code: data?.code }))

const actions = {
  subscribe(name) {
    const channel = pusher.subscribe(name)
    channel.bind_global((event, data) => tell('event', { channel: name, event, data }))
  },
  // As the guide has it: a confirmed message is acknowledged by the id that comes before it.
  acknowledge(name) {
    const channel = pusher.channel(name)
    channel.bind('comms:message', ({ id }) => channel.trigger('client-comms-ack', { ids: [id] }))
  },
  unsubscribe: (name) => pusher.unsubscribe(name),
  // Refused by the server; the library itself lets it through on a private channel.
  trigger: (name) => pusher.channel(name).trigger('client-typing', { a: 1 }),
  leave: () => pusher.disconnect(),
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [action, name] = line.split(' ')
    actions[action](name)
  })
  .on('close', () => process.exit(0))
