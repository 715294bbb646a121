// The unmodified laravel-echo with pusher-js, told by one JSON list a line what to do and telling by
// one JSON object a line what it sees.
//
// node echo.mjs HOST PORT KEY AUTH_ENDPOINT
import { createInterface } from 'node:readline'
import Echo from 'laravel-echo'
import Pusher from 'pusher-js'

const [host, port, key, endpoint] = process.argv.slice(2)
const tell = (what, more = {}) => console.log(JSON.stringify({ what, ...more }))

const echo = new Echo({
  broadcaster: 'pusher',
  Pusher,
  key,
  cluster: '',
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  channelAuthorization: { transport: 'ajax', endpoint },
})

const joined = (channel, name) =>
  channel
    .subscribed(() => tell('subscribed', { name }))
    .error(({ status }) => tell('refused', { name, status }))
    .listen('.order.shipped', (data) => tell('heard', { name, data }))
    .listenForWhisper('typing', (data) => tell('whisper', { name, data }))

const actions = {
  private: (name) => joined(echo.private(name), name),
  join: (name) =>
    joined(echo.join(name), name)
      .here((users) => tell('here', { users }))
      .joining((user) => tell('joining', { user }))
      .leaving((user) => tell('leaving', { user })),
  whisper: (name, data) => echo.private(name).whisper('typing', data),
  leave: (name) => echo.leave(name),
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [action, ...args] = JSON.parse(line)
    actions[action](...args)
  })
  .on('close', () => process.exit(0))
