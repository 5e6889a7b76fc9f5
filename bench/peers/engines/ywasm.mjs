// ywasm: yrs, the Rust port of Yjs, compiled to WebAssembly; the model of yjs.mjs.
import * as Y from 'ywasm'
import { packageVersion } from '../package_version.mjs'

function create (id) {
  const doc = new Y.YDoc({ clientID: id })
  return { doc, entities: doc.getMap('entities'), transaction: undefined }
}

const load = (bytes, id) => {
  const replica = create(id)
  Y.applyUpdate(replica.doc, bytes, null)
  return replica
}

function withEntity (replica, id, fn) {
  const entity = replica.entities.get(id, replica.transaction)
  fn(entity)
  entity.free()
}

function transact (doc, fn) {
  const transaction = doc.beginTransaction(null)
  try {
    fn(transaction)
  } finally {
    transaction.commit()
    transaction.free()
  }
}

export default {
  name: 'ywasm',
  version: packageVersion('ywasm'),
  create,
  load,
  save: replica => Y.encodeStateAsUpdate(replica.doc),
  toJSON: replica => replica.entities.toJson(undefined),
  onMessage (replica, fn) { replica.subscription = replica.doc.onUpdate(fn) },
  edit (replica, fn) {
    transact(replica.doc, transaction => {
      replica.transaction = transaction
      fn()
    })
    replica.transaction = undefined
  },
  addEntity: (replica, id, components) => replica.entities.set(id, new Y.YMap(components), replica.transaction),
  setComponent: (replica, id, component, value) =>
    withEntity(replica, id, entity => entity.set(component, value, replica.transaction)),
  removeEntity: (replica, id) => replica.entities.delete(id, replica.transaction),
  removeComponent: (replica, id, component) =>
    withEntity(replica, id, entity => entity.delete(component, replica.transaction)),
  apply (replica, message) { Y.applyUpdate(replica.doc, message, null) },
  applyMany (replica, diffs) { for (const diff of diffs) Y.applyUpdate(replica.doc, diff, null) },
  mark: replica => Y.encodeStateVector(replica.doc),
  diffSince: (replica, mark) => Y.encodeStateAsUpdate(replica.doc, mark),
  fullEncodings: [
    { name: 'v1', encode: replica => Y.encodeStateAsUpdate(replica.doc), decode: load },
    {
      name: 'v2',
      encode: replica => Y.encodeStateAsUpdateV2(replica.doc),
      decode (bytes, id) {
        const replica = create(id)
        Y.applyUpdateV2(replica.doc, bytes, null)
        return replica
      }
    }
  ],
  free: replica => replica.doc.free(),
  sync (old, full) {
    const vector = Y.encodeStateVector(old.doc)
    const diff = Y.encodeStateAsUpdate(full.doc, vector)
    Y.applyUpdate(old.doc, diff, null)
    return { bytes: vector.length + diff.length, request: vector.length, messages: 2 }
  },
  map: {
    create (id) {
      const doc = new Y.YDoc({ clientID: id })
      const sent = []
      const subscription = doc.onUpdateV2(update => sent.push(update))
      return { doc, map: doc.getMap('map'), sent, subscription }
    },
    set (m, key, value) {
      transact(m.doc, transaction => m.map.set(key, value, transaction))
      return m.sent.splice(0)
    },
    applyAll: (m, updates) => transact(m.doc, transaction => { for (const u of updates) transaction.applyV2(u) }),
    get: m => m.map.toJson(undefined),
    encode: m => Y.encodeStateAsUpdateV2(m.doc),
    load (bytes) {
      const doc = new Y.YDoc({})
      Y.applyUpdateV2(doc, bytes, null)
      return { doc, map: doc.getMap('map') }
    }
  }
}
