// @actual-app/crdt: the clock, the hash trie and the envelope of a budget program; the store is
// the application's. Here: a message a component (row: the entity, column: the component), and
// a Map keyed by both as the last-writer-wins store. It has no saved form and no catch-up.
import {
  MessageEnvelopeSchema, MessageSchema, Timestamp, create as message, fromBinary, getClock, makeClock, merkle, setClock,
  toBinary
} from '@actual-app/crdt'
import { joinMessages, splitMessages } from '../message_log.mjs'
import { packageVersion } from '../package_version.mjs'

function store (replica, time, row, column, value) {
  const key = row + '\0' + column
  const old = replica.values.get(key)
  if (old === undefined || old.time < time) replica.values.set(key, { time, value })
}

function setComponent (replica, row, column, value) {
  const time = Timestamp.send()
  const timestamp = time.toString()
  const text = JSON.stringify(value)
  store(replica, timestamp, row, column, text)
  replica.trie = merkle.insert(replica.trie, time)
  const content = toBinary(MessageSchema, message(MessageSchema, { dataset: 'scene', row, column, value: 'S:' + text }))
  replica.unsent.push(
    toBinary(MessageEnvelopeSchema, message(MessageEnvelopeSchema, { timestamp, isEncrypted: false, content })))
}

export default {
  name: 'actual-crdt',
  version: packageVersion('@actual-app/crdt'),
  create (id) {
    const node = id.toString(16).padStart(16, '0')
    setClock(makeClock(new Timestamp(0, 0, node)))
    Timestamp.init({ node })
    return { values: new Map(), unsent: [], trie: getClock().merkle, onMessage: null }
  },
  toJSON (replica) {
    const state = {}
    for (const [key, { value }] of replica.values) {
      const [row, column] = key.split('\0')
      state[row] ??= {}
      state[row][column] = JSON.parse(value)
    }
    return state
  },
  onMessage (replica, fn) { replica.onMessage = fn },
  edit (replica, fn) {
    fn()
    replica.onMessage?.(joinMessages(replica.unsent))
    replica.unsent = []
  },
  addEntity (replica, id, components) {
    for (const name in components) setComponent(replica, id, name, components[name])
  },
  setComponent,
  apply (replica, bytes) {
    for (const part of splitMessages(bytes)) {
      const envelope = fromBinary(MessageEnvelopeSchema, part)
      const { row, column, value } = fromBinary(MessageSchema, envelope.content)
      const time = Timestamp.parse(envelope.timestamp)
      Timestamp.recv(time)
      store(replica, envelope.timestamp, row, column, value.slice(2))
      replica.trie = merkle.insert(replica.trie, time)
    }
  }
}
