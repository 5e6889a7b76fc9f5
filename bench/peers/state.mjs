// An end state as canonical JSON, keys sorted at every level and no blanks, and its hashes:
// equal for every engine that did the work.
import { createHash } from 'node:crypto'

function canonical (value) {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return '[' + value.map(canonical).join(',') + ']'
  const members = Object.keys(value).sort().map(key => JSON.stringify(key) + ':' + canonical(value[key]))
  return '{' + members.join(',') + '}'
}

// {fnv1a32, sha256, json_bytes} of {id: {component: value}}
export function stateHash (state) {
  const sha256 = createHash('sha256')
  let fnv = 0x811c9dc5
  let size = 0
  const put = text => {
    const bytes = Buffer.from(text)
    size += bytes.length
    sha256.update(bytes)
    for (let i = 0; i < bytes.length; i++) fnv = Math.imul(fnv ^ bytes[i], 0x01000193)
  }
  put('{')
  Object.keys(state).sort().forEach((id, i) => put((i ? ',' : '') + JSON.stringify(id) + ':' + canonical(state[id])))
  put('}')
  return { fnv1a32: (fnv >>> 0).toString(16).padStart(8, '0'), sha256: sha256.digest('hex'), json_bytes: size }
}
