// Takes an export: reads it, checks it on the way, and keeps it as a file to be saved.
import { openExport } from '@/api/organization'
import { serverEvents } from '@/api/events'
import { Problem, problemFrom } from '@/api/problem'
import { ExportCheck, ExportFault, type ExportHeader, type Manifest, type Part } from './check'

export interface Progress {
  parts: Part[]
  rows: number
  bytes: number
}

export interface Taken {
  file: Blob
  header: ExportHeader
  manifest: Manifest
  bytes: number
}

/** Parts are put together in pieces of this size, which a browser may lay on its disk. */
const PIECE = 8 * 1024 * 1024
const TYPE = 'application/x-ndjson'

const faulty = (detail: string) => new Problem(0, 'console.export_invalid', 'This export is not whole', `${detail} It is not kept: take it again.`, '')

function refusal(data: string): Problem {
  const said: unknown = JSON.parse(data)
  const status = typeof said === 'object' && said !== null && 'status' in said ? Number(said.status) : 500
  return problemFrom(status, said)
}

/** Rejects with a problem when it is refused, breaks off, or is not what its last line says. */
export async function takeExport(signal: AbortSignal, tell: (progress: Progress) => void): Promise<Taken> {
  const check = new ExportCheck()
  let file = new Blob([], { type: TYPE })
  let parts: Uint8Array<ArrayBuffer>[] = []
  let pending = 0
  let bytes = 0
  const fold = () => {
    file = new Blob([file, ...parts], { type: TYPE })
    parts = []
    pending = 0
  }
  try {
    for await (const { event, data } of serverEvents(await openExport(signal))) {
      if (event === 'error') throw refusal(data)
      for (const line of (JSON.parse(data) as { lines?: string[] }).lines ?? []) {
        const raw = check.line(line) as Uint8Array<ArrayBuffer>
        parts.push(raw)
        pending += raw.length
        bytes += raw.length
      }
      if (pending >= PIECE) fold()
      tell({ parts: check.parts.map((one) => ({ ...one })), rows: check.rows, bytes })
    }
    const manifest = check.finish()
    fold()
    if (!check.header) throw new ExportFault('It is empty.')
    return { file, header: check.header, manifest, bytes }
  } catch (thrown) {
    throw thrown instanceof ExportFault ? faulty(thrown.message) : thrown
  }
}
