// Automerge: an object {entities: {id: {Component: {...}}}} of nested maps and lists, for it has
// no register of opaque JSON; strings are ImmutableString, for a plain one is a text to edit.
import * as Automerge from '@automerge/automerge'
import { packageVersion } from '../package_version.mjs'

const actor = id => id.toString(16).padStart(32, '0')

// The same first change, at time 0, in every process.
function firstChange (content) {
  const doc = Automerge.init({ actor: actor(0xffff) })
  return Automerge.save(Automerge.change(doc, { time: 0 }, d => Object.assign(d, content)))
}
const emptyScene = firstChange({ entities: {} })
const emptyMap = firstChange({ map: {} })

function wrap (value) {
  if (typeof value === 'string') return new Automerge.ImmutableString(value)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, wrap(member)]))
}

function unwrap (value) {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Automerge.ImmutableString) return value.val
  if (Array.isArray(value)) return value.map(unwrap)
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, unwrap(member)]))
}

const open = (bytes, id) => ({ doc: Automerge.load(bytes, { actor: actor(id) }), onMessage: null })
const save = replica => Automerge.save(replica.doc)
function applyIncremental (replica, changes) {
  for (const change of changes) replica.doc = Automerge.loadIncremental(replica.doc, change)
}

export default {
  name: 'automerge',
  version: packageVersion('@automerge/automerge'),
  create: id => open(emptyScene, id),
  load: open,
  save,
  toJSON: replica => unwrap(replica.doc.entities),
  onMessage (replica, fn) { replica.onMessage = fn },
  edit (replica, fn) {
    replica.doc = Automerge.change(replica.doc, d => {
      replica.draft = d.entities
      fn()
    })
    replica.draft = null
    if (replica.onMessage) replica.onMessage(Automerge.getLastLocalChange(replica.doc))
  },
  addEntity (replica, id, components) { replica.draft[id] = wrap(components) },
  setComponent (replica, id, component, value) { replica.draft[id][component] = wrap(value) },
  removeEntity (replica, id) { delete replica.draft[id] },
  removeComponent (replica, id, component) { delete replica.draft[id][component] },
  apply (replica, message) { replica.doc = Automerge.applyChanges(replica.doc, [message])[0] },
  applyMany: applyIncremental,
  mark: replica => Automerge.getHeads(replica.doc),
  diffSince: (replica, heads) => Automerge.saveSince(replica.doc, heads),
  fullEncodings: [{ name: 'save', encode: save, decode: open }],
  // Its own protocol: messages to and fro until neither side has one more.
  sync (old, full) {
    const sides = [{ replica: old, state: Automerge.initSyncState() }, { replica: full, state: Automerge.initSyncState() }]
    const sent = { bytes: 0, request: 0, messages: 0 }
    for (let quiet = false; !quiet;) {
      quiet = true
      for (const [from, to] of [sides, [...sides].reverse()]) {
        const [state, message] = Automerge.generateSyncMessage(from.replica.doc, from.state)
        from.state = state
        if (message === null) continue
        quiet = false
        sent.messages++
        sent.bytes += message.length
        if (from.replica === old) sent.request += message.length
        ;[to.replica.doc, to.state] = Automerge.receiveSyncMessage(to.replica.doc, to.state, message)
      }
    }
    return sent
  },
  map: {
    create: id => open(emptyMap, id),
    set (m, key, value) {
      m.doc = Automerge.change(m.doc, d => { d.map[key] = typeof value === 'string' ? wrap(value) : value })
      return [Automerge.saveIncremental(m.doc)]
    },
    applyAll: applyIncremental,
    get: m => unwrap(m.doc.map),
    encode: save,
    load: bytes => ({ doc: Automerge.load(bytes) })
  }
}
