import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { RELAY_LIMITS } from './limits.ts'
import type { OpenSocket } from './socket.ts'

/** A real WebSocket. Compression is off: it costs more memory than encrypted messages could save. */
export const openWebSocket: OpenSocket = (url, handlers) => {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: RELAY_LIMITS.frameBytes,
    followRedirects: false,
    headers: { 'user-agent': 'fianza' },
  })
  let isPaused = false
  let isSilent = false
  let failure = ''
  let stream: Socket | null = null
  let isGathering = false
  /** What one turn of the event loop sends leaves in one call of the kernel: under load those calls cost most. */
  const gather = (): void => {
    if (isGathering || stream === null) return
    isGathering = true
    const corked = stream
    corked.cork()
    setImmediate(() => {
      isGathering = false
      corked.uncork()
    })
  }
  socket.on('upgrade', (response) => {
    stream = response.socket
  })
  const gone = new Promise<void>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve()
      if (!isSilent)
        handlers.onClose(failure || `closed by the relay: ${code} ${reason.toString().slice(0, 100)}`.trim())
    })
  })
  socket.on('open', () => {
    if (isPaused) socket.pause()
    if (!isSilent) handlers.onOpen()
  })
  socket.on('message', (data, isBinary) => {
    if (!isSilent) handlers.onText(isBinary ? '' : data.toString())
  })
  socket.on('pong', () => {
    if (!isSilent) handlers.onPong()
  })
  socket.on('error', (error) => {
    failure = error.message
  })
  return {
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return
      gather()
      socket.send(text)
    },
    bufferedBytes: () => socket.bufferedAmount,
    ping: () => {
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    },
    pause: (paused) => {
      isPaused = paused
      if (paused) socket.pause()
      else socket.resume()
    },
    close: () => {
      isSilent = true
      socket.terminate()
      return gone
    },
  }
}
