// The unmodified pusher-js signs in and tells who on its watch list comes and goes, one JSON object a
// line.
//
// node watchlist.mjs HOST PORT KEY USER_AUTH_ENDPOINT
import Pusher from 'pusher-js'

const [host, port, key, endpoint] = process.argv.slice(2)
const pusher = new Pusher(key, {
  cluster: '',
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  userAuthentication: { transport: 'ajax', endpoint },
})
for (const what of ['online', 'offline'])
  pusher.user.watchlist.bind(what, ({ user_ids }) => console.log(JSON.stringify({ what, user_ids })))
pusher.signin()
