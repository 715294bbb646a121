// As much of a Pusher protocol 7 server as the console needs from one.
import { createHmac, randomInt } from 'node:crypto'
import { WebSocketServer } from 'ws'

export const APP_KEY = 'fake-key'
const SECRET = 'fake-secret'

export const sign = (socketId, channel) => `${APP_KEY}:${createHmac('sha256', SECRET).update(`${socketId}:${channel}`).digest('hex')}`

export function pusherServer() {
  const wss = new WebSocketServer({ noServer: true })
  const sockets = new Set()
  const send = (socket, event, data, channel) => socket.ws.send(JSON.stringify({ event, data: JSON.stringify(data), ...(channel ? { channel } : {}) }))

  function join(socket, { channel, auth }) {
    if (auth !== sign(socket.id, channel)) {
      send(socket, 'pusher:subscription_error', { type: 'AuthError', status: 403 }, channel)
      return
    }
    socket.channels.add(channel)
    send(socket, 'pusher_internal:subscription_succeeded', {}, channel)
  }
  function hear(socket, raw) {
    const { event, data } = JSON.parse(raw)
    if (event === 'pusher:ping') send(socket, 'pusher:pong', {})
    if (event === 'pusher:subscribe') join(socket, data)
    if (event === 'pusher:unsubscribe') socket.channels.delete(data.channel)
  }
  wss.on('connection', (ws) => {
    const socket = { ws, id: `${randomInt(1e6)}.${randomInt(1e6)}`, channels: new Set() }
    sockets.add(socket)
    ws.on('message', (raw) => hear(socket, raw))
    ws.on('close', () => sockets.delete(socket))
    send(socket, 'pusher:connection_established', { socket_id: socket.id, activity_timeout: 30 })
  })

  return {
    upgrade(request, stream, head) {
      if (!request.url.startsWith(`/app/${APP_KEY}`)) return stream.destroy()
      wss.handleUpgrade(request, stream, head, (ws) => wss.emit('connection', ws, request))
    },
    publish(channel, event, data) {
      for (const socket of sockets) if (socket.channels.has(channel)) send(socket, event, data, channel)
    },
    listening: (channel) => [...sockets].some((socket) => socket.channels.has(channel)),
    channels: () => new Set([...sockets].flatMap((socket) => [...socket.channels])),
    dropAll() {
      for (const socket of sockets) socket.ws.close(4200)
    },
  }
}
