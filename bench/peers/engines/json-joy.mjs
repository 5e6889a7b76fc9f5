// json-joy: a root `obj`, in it an `obj` an entity, in it a `con` (an immutable constant) a
// component: one last-writer-wins register a component.
import { createRequire } from 'node:module'
import { joinMessages, splitMessages } from '../message_log.mjs'
import { packageVersion } from '../package_version.mjs'

const { Model, Patch, s } = createRequire(import.meta.url)('json-joy/lib/json-crdt')

// The empty root is made once: two replicas that each made their own would never agree.
const seed = Model.create(undefined, 70000)
seed.api.root({})
seed.api.flush()
const seedBytes = seed.toBinary()

const open = (bytes, id) => ({ model: Model.load(bytes, 100000 + id), onMessage: null, sent: [] })
const save = replica => replica.model.toBinary()
const applyPatch = (replica, bytes) => replica.model.applyPatch(Patch.fromBinary(bytes))

export default {
  name: 'json-joy',
  version: packageVersion('json-joy'),
  create: id => open(seedBytes, id),
  load: open,
  save,
  toJSON: replica => replica.model.view(),
  onMessage (replica, fn) {
    replica.onMessage = fn
    replica.model.api.flush()
  },
  edit (replica, fn) {
    fn()
    const patch = replica.model.api.flush()
    if (replica.onMessage) replica.onMessage(patch.toBinary())
  },
  addEntity (replica, id, components) {
    const entity = {}
    for (const name in components) entity[name] = s.con(components[name])
    replica.model.api.obj([]).set({ [id]: s.obj(entity) })
  },
  setComponent: (replica, id, component, value) => replica.model.api.obj([id]).set({ [component]: s.con(value) }),
  removeEntity: (replica, id) => replica.model.api.obj([]).del([id]),
  removeComponent: (replica, id, component) => replica.model.api.obj([id]).del([component]),
  apply (replica, message) { applyPatch(replica, message) },
  keepsMessages: true,
  diffSince: replica => joinMessages(replica.sent),
  applyMany (replica, diffs) {
    for (const diff of diffs) {
      for (const patch of splitMessages(diff)) applyPatch(replica, patch)
    }
  },
  fullEncodings: [{ name: 'model', encode: save, decode: open }],
  map: {
    create: id => open(seedBytes, id),
    set (m, key, value) {
      m.model.api.obj([]).set({ [key]: s.con(value) })
      return [m.model.api.flush().toBinary()]
    },
    applyAll (m, updates) { for (const update of updates) applyPatch(m, update) },
    get: m => m.model.view(),
    encode: save,
    load: bytes => open(bytes, 7)
  }
}
