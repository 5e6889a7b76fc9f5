// A file of messages, each after its size (32 bits, little endian).
import fs from 'node:fs'

const CHUNK = 1 << 22

export class MessageWriter {
  constructor (path) {
    this.fd = fs.openSync(path, 'w')
    this.buffer = Buffer.allocUnsafe(CHUNK)
    this.used = 0
    this.messageCount = 0
    this.byteCount = 0 // of messages, without their sizes
  }

  put (message) {
    const size = message.length + 4
    if (this.used + size > this.buffer.length) {
      this.flush()
      if (size > this.buffer.length) this.buffer = Buffer.allocUnsafe(size * 2)
    }
    this.buffer.writeUInt32LE(message.length, this.used)
    this.buffer.set(message, this.used + 4)
    this.used += size
    this.messageCount++
    this.byteCount += message.length
  }

  flush () {
    if (this.used > 0) fs.writeSync(this.fd, this.buffer, 0, this.used)
    this.used = 0
  }

  close () {
    this.flush()
    fs.closeSync(this.fd)
  }
}

// The messages one by one; a chunk is read at a time, so the file need not fit memory.
export function * readMessages (path) {
  const fd = fs.openSync(path, 'r')
  let rest = Buffer.alloc(0)
  for (;;) {
    const bytes = Buffer.allocUnsafe(rest.length + CHUNK)
    rest.copy(bytes)
    const got = fs.readSync(fd, bytes, rest.length, CHUNK, null)
    const end = rest.length + got
    let at = 0
    while (at + 4 <= end) {
      const size = bytes.readUInt32LE(at)
      if (at + 4 + size > end) break
      yield new Uint8Array(bytes.buffer, bytes.byteOffset + at + 4, size)
      at += 4 + size
    }
    rest = bytes.subarray(at, end)
    if (got === 0) break
  }
  fs.closeSync(fd)
}

// Messages as one, each after its size: what an engine without a diff of its own sends.
export function joinMessages (messages) {
  const size = messages.reduce((sum, m) => sum + m.length + 4, 0)
  const joined = Buffer.allocUnsafe(size)
  let at = 0
  for (const m of messages) {
    joined.writeUInt32LE(m.length, at)
    joined.set(m, at + 4)
    at += m.length + 4
  }
  return joined
}

export function * splitMessages (bytes) {
  const joined = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < joined.length;) {
    const size = joined.readUInt32LE(at)
    yield new Uint8Array(joined.buffer, joined.byteOffset + at + 4, size)
    at += 4 + size
  }
}
