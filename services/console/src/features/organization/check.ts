// Checks an export line by line while it comes, as `yard tenants verify` does with the file: the
// format is that of the crate yard-export.
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

const FORMAT = 'switchyard-tenant-export/1'

export interface ExportHeader {
  slug: string
  taken_at: string
}

export interface Part {
  relation: string
  rows: number
  sha256: string
}

export interface Manifest {
  relations: Part[]
  left_out: { relation: string; reason: string }[]
  digest: string
}

/** Why an export is not whole. */
export class ExportFault extends Error {}

const encoder = new TextEncoder()
const bytes = (line: string) => encoder.encode(`${line}\n`)
const NOTHING = bytesToHex(sha256(new Uint8Array()))

function wholeDigest(header: string, manifest: Manifest): string {
  const hash = sha256.create().update(bytes(header))
  for (const part of manifest.relations) hash.update(bytes(`${part.relation}\t${part.rows}\t${part.sha256}`))
  for (const one of manifest.left_out) hash.update(bytes(`-\t${one.relation}`))
  return bytesToHex(hash.digest())
}

interface Line {
  relation?: string
  manifest?: Manifest
}

function parse<T>(line: string, otherwise: string): T {
  try {
    return JSON.parse(line) as T
  } catch {
    throw new ExportFault(otherwise)
  }
}

export class ExportCheck {
  /** Relations in the order in which they came, the last one still growing. */
  readonly parts: Part[] = []
  header: ExportHeader | null = null
  rows = 0
  private first = ''
  private manifest: Manifest | null = null
  private hash = sha256.create()

  /** The next line, without its line feed; gives its bytes with one. */
  line(line: string): Uint8Array {
    const raw = bytes(line)
    if (this.manifest) throw new ExportFault('There is more behind its end.')
    if (!this.header) {
      const header = parse<ExportHeader & { format?: string }>(line, 'It does not begin as an export does.')
      if (header.format !== FORMAT) throw new ExportFault('It does not begin as an export does.')
      this.first = line
      this.header = header
      return raw
    }
    const { relation, manifest } = parse<Line>(line, `Row ${this.rows + 1} cannot be read.`)
    if (manifest) {
      this.close()
      this.manifest = manifest
    } else if (relation) this.row(relation, raw)
    else throw new ExportFault(`Row ${this.rows + 1} belongs to no table.`)
    return raw
  }

  private row(relation: string, raw: Uint8Array): void {
    if (this.parts.at(-1)?.relation !== relation) {
      this.close()
      if (this.parts.some((one) => one.relation === relation)) throw new ExportFault(`${relation} comes a second time.`)
      this.parts.push({ relation, rows: 0, sha256: '' })
      this.hash = sha256.create()
    }
    const part = this.parts.at(-1)
    if (part) part.rows += 1
    this.rows += 1
    this.hash.update(raw)
  }

  private close(): void {
    const part = this.parts.at(-1)
    if (part && part.sha256 === '') part.sha256 = bytesToHex(this.hash.digest())
  }

  /** After the last line: what it says of itself, if all of it agrees. */
  finish(): Manifest {
    const { manifest } = this
    if (!manifest) throw new ExportFault('It broke off before its end.')
    const found = new Map(this.parts.map((one) => [one.relation, one]))
    for (const part of manifest.relations) {
      const own = found.get(part.relation) ?? { rows: 0, sha256: NOTHING }
      if (own.rows !== part.rows || own.sha256 !== part.sha256) throw new ExportFault(`${part.relation} is not what its last line says.`)
      found.delete(part.relation)
    }
    const [stray] = found.keys()
    if (stray) throw new ExportFault(`${stray} is not what its last line says.`)
    if (wholeDigest(this.first, manifest) !== manifest.digest) throw new ExportFault('The last line does not agree with its own hash.')
    return manifest
  }
}
