// What the organisation's developers copy. Everything but the secret stands in it.
import type { RealtimeApp } from '@/api/realtimeApps'

export interface Snippet {
  key: string
  title: string
  text: string
}

/** Where the page is served from is where sockets are. */
export interface Host {
  hostname: string
  port: string
  protocol: string
}

const portOf = (at: Host): string => at.port || (at.protocol === 'https:' ? '443' : '80')
const isSecure = (at: Host): boolean => at.protocol === 'https:'

function pusherJs(app: RealtimeApp, at: Host): string {
  return [
    "import Pusher from 'pusher-js'",
    '',
    `const pusher = new Pusher('${app.key}', {`,
    `  wsHost: '${at.hostname}', wsPort: ${portOf(at)}, wssPort: ${portOf(at)},`,
    `  forceTLS: ${isSecure(at)}, enabledTransports: ['ws', 'wss'], cluster: '',`,
    "  channelAuthorization: { endpoint: '/pusher/auth', transport: 'ajax' },",
    '})',
    "pusher.subscribe('private-orders').bind('order.shipped', (order) => console.log(order))",
  ].join('\n')
}

function laravelEcho(app: RealtimeApp, at: Host): string {
  return [
    "import Echo from 'laravel-echo'",
    "import Pusher from 'pusher-js'",
    '',
    'window.Pusher = Pusher',
    'window.Echo = new Echo({',
    `  broadcaster: 'pusher', key: '${app.key}', cluster: '',`,
    `  wsHost: '${at.hostname}', wsPort: ${portOf(at)}, wssPort: ${portOf(at)},`,
    `  forceTLS: ${isSecure(at)}, enabledTransports: ['ws', 'wss'],`,
    '})',
    "window.Echo.private('orders').listen('.order.shipped', (order) => console.log(order))",
  ].join('\n')
}

function node(app: RealtimeApp, at: Host): string {
  return [
    "const Pusher = require('pusher')",
    '',
    'const pusher = new Pusher({',
    `  appId: '${app.app_id}', key: '${app.key}', secret: process.env.REALTIME_SECRET,`,
    `  host: '${at.hostname}', port: '${portOf(at)}', useTLS: ${isSecure(at)},`,
    '})',
    '// For POST /pusher/auth, once you know who asks:',
    "//   res.send(pusher.authorizeChannel(req.body.socket_id, req.body.channel_name))",
    "await pusher.trigger('private-orders', 'order.shipped', { id: 7 })",
  ].join('\n')
}

export const snippets = (app: RealtimeApp, at: Host): Snippet[] => [
  { key: 'pusher-js', title: 'Browser: pusher-js', text: pusherJs(app, at) },
  { key: 'echo', title: 'Browser: laravel-echo', text: laravelEcho(app, at) },
  { key: 'node', title: 'Server: pusher for Node', text: node(app, at) },
]
