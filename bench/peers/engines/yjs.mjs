// Yjs: a root Y.Map 'entities', in it a Y.Map an entity, in it a plain JSON value a component:
// one last-writer-wins register a component.
import * as Y from 'yjs'
import { packageVersion } from '../package_version.mjs'

function create (id) {
  const doc = new Y.Doc()
  doc.clientID = id
  return { doc, entities: doc.getMap('entities') }
}

const load = (bytes, id) => {
  const replica = create(id)
  Y.applyUpdate(replica.doc, bytes)
  return replica
}

export default {
  name: 'yjs',
  version: packageVersion('yjs'),
  create,
  load,
  save: replica => Y.encodeStateAsUpdate(replica.doc),
  toJSON: replica => replica.entities.toJSON(),
  onMessage: (replica, fn) => replica.doc.on('update', fn),
  edit: (replica, fn) => { replica.doc.transact(fn) },
  addEntity (replica, id, components) {
    const entity = new Y.Map()
    for (const name in components) entity.set(name, components[name])
    replica.entities.set(id, entity)
  },
  setComponent: (replica, id, component, value) => replica.entities.get(id).set(component, value),
  removeEntity: (replica, id) => replica.entities.delete(id),
  removeComponent: (replica, id, component) => replica.entities.get(id).delete(component),
  apply (replica, message) { Y.applyUpdate(replica.doc, message) },
  applyMany (replica, diffs) { for (const diff of diffs) Y.applyUpdate(replica.doc, diff) },
  mark: replica => Y.encodeStateVector(replica.doc),
  diffSince: (replica, mark) => Y.encodeStateAsUpdate(replica.doc, mark),
  fullEncodings: [
    { name: 'v1', encode: replica => Y.encodeStateAsUpdate(replica.doc), decode: load },
    {
      name: 'v2',
      encode: replica => Y.encodeStateAsUpdateV2(replica.doc),
      decode (bytes, id) {
        const replica = create(id)
        Y.applyUpdateV2(replica.doc, bytes)
        return replica
      }
    }
  ],
  sync (old, full) {
    const vector = Y.encodeStateVector(old.doc)
    const diff = Y.encodeStateAsUpdate(full.doc, vector)
    Y.applyUpdate(old.doc, diff)
    return { bytes: vector.length + diff.length, request: vector.length, messages: 2 }
  },
  map: {
    create (id) {
      const doc = new Y.Doc()
      doc.clientID = id
      const sent = []
      doc.on('updateV2', update => sent.push(update))
      return { doc, map: doc.getMap('map'), sent }
    },
    set (m, key, value) {
      m.map.set(key, value)
      return m.sent.splice(0)
    },
    applyAll: (m, updates) => m.doc.transact(() => { for (const u of updates) Y.applyUpdateV2(m.doc, u) }),
    get: m => m.map.toJSON(),
    encode: m => Y.encodeStateAsUpdateV2(m.doc),
    load (bytes) {
      const doc = new Y.Doc()
      Y.applyUpdateV2(doc, bytes)
      return { doc, map: doc.getMap('map') }
    }
  }
}
