// Loro: a LoroMap 'entities', in it a LoroMap an entity, in it a plain JSON value a component.
import { LoroDoc, LoroMap } from 'loro-crdt'
import { packageVersion } from '../package_version.mjs'

function create (id) {
  const doc = new LoroDoc()
  doc.setPeerId(BigInt(id))
  return { doc, entities: doc.getMap('entities') }
}

const load = (bytes, id) => {
  const replica = create(id)
  replica.doc.import(bytes)
  return replica
}
const snapshot = replica => replica.doc.export({ mode: 'snapshot' })

export default {
  name: 'loro',
  version: packageVersion('loro-crdt'),
  create,
  load,
  save: snapshot,
  toJSON: replica => replica.entities.toJSON(),
  onMessage: (replica, fn) => replica.doc.subscribeLocalUpdates(fn),
  edit (replica, fn) {
    fn()
    replica.doc.commit()
  },
  addEntity (replica, id, components) {
    const entity = replica.entities.setContainer(id, new LoroMap())
    for (const name in components) entity.set(name, components[name])
  },
  setComponent: (replica, id, component, value) => replica.entities.get(id).set(component, value),
  removeEntity: (replica, id) => replica.entities.delete(id),
  removeComponent: (replica, id, component) => replica.entities.get(id).delete(component),
  apply (replica, message) { replica.doc.import(message) },
  applyMany (replica, diffs) { replica.doc.importBatch(diffs) },
  mark: replica => replica.doc.version(),
  diffSince: (replica, mark) => replica.doc.export({ mode: 'update', from: mark }),
  fullEncodings: [
    {
      name: 'snapshot',
      encode: snapshot,
      decode (bytes, id) {
        const replica = load(bytes, id)
        void replica.entities.size // it is read when first looked at
        return replica
      }
    },
    { name: 'updates', encode: replica => replica.doc.export({ mode: 'update' }), decode: load },
    {
      name: 'shallow',
      encode: replica => replica.doc.export({ mode: 'shallow-snapshot', frontiers: replica.doc.frontiers() }),
      decode: load
    }
  ],
  free: replica => replica.doc.free(),
  sync (old, full) {
    const version = old.doc.version()
    const request = version.encode()
    const diff = full.doc.export({ mode: 'update', from: version })
    old.doc.import(diff)
    return { bytes: request.length + diff.length, request: request.length, messages: 2 }
  },
  map: {
    create (id) {
      const doc = new LoroDoc()
      doc.setPeerId(BigInt(id))
      return { doc, map: doc.getMap('map') }
    },
    set (m, key, value) {
      m.map.set(key, value)
      return [m.doc.export({ mode: 'update' })]
    },
    applyAll: (m, updates) => m.doc.importBatch(updates),
    get: m => m.map.toJSON(),
    encode: m => m.doc.export({ mode: 'snapshot' }),
    load (bytes) {
      const doc = new LoroDoc()
      doc.import(bytes)
      return { doc, map: doc.getMap('map') }
    }
  }
}
