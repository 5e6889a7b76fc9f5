// @dcl/ecs: an engine a replica with its own Transform, GltfContainer, Name and Visibility
// components (one last-writer-wins register a component of an entity). A transaction is one
// tick; a tick sends one message a component that changed, so two updates of one component in
// it are one. An entity is a 16-bit number, 512 + index: at most 65,023 live ones.
import { createRequire } from 'node:module'
import { packageVersion } from '../package_version.mjs'

const require = createRequire(import.meta.url)
const { Engine, Schemas, components } = require('@dcl/ecs/dist-cjs')
const { ReadWriteByteBuffer } = require('@dcl/ecs/dist-cjs/serialization/ByteBuffer')

const FIRST_ENTITY = 512

// 'e000012' is entity 12 of the scene, 'n01_00012' one that W3 added.
function entityNumber (id) {
  if (id[0] === 'n') return FIRST_ENTITY + 10000 + Number(id.slice(1, 3)) % 16 * 2000 + Number(id.slice(4))
  return FIRST_ENTITY + Number(id.slice(1))
}

const point = ([x, y, z]) => ({ x, y, z })
const toEngine = {
  Transform: v => ({
    position: point(v.position),
    rotation: { ...point(v.rotation), w: v.rotation[3] },
    scale: point(v.scale),
    parent: 0
  }),
  Visible: v => ({ visible: v.value })
}
const fromEngine = {
  Transform: ({ position: p, rotation: r, scale: s }) => ({
    position: [p.x, p.y, p.z], rotation: [r.x, r.y, r.z, r.w], scale: [s.x, s.y, s.z]
  }),
  GLTFShape: v => ({ src: v.src }),
  Visible: v => ({ value: v.visible })
}

function create (id, entityCount) {
  const engine = Engine({ onChangeFunction () {} })
  const byName = {
    Transform: components.Transform(engine),
    GLTFShape: components.GltfContainer(engine),
    Name: components.Name(engine),
    Visible: components.VisibilityComponent(engine)
  }
  for (const name of ['Audio', 'Collider', 'Script', 'Tag']) {
    byName[name] = engine.defineComponent('bench::' + name, { value: Schemas.Int })
  }
  const replica = { engine, byName, onMessage: null, sent: [], entityCount }
  replica.transport = {
    filter: () => true,
    send: async message => { if (message.length > 0) replica.onMessage?.(message) }
  }
  engine.addTransport(replica.transport)
  return replica
}

async function load (bytes, id, entityCount) {
  const replica = create(id, entityCount)
  replica.transport.onmessage(bytes)
  await replica.engine.update(1)
  return replica
}

// What a server hands to a client that joins; tombstones of entities are not in it.
function save (replica) {
  const buffer = new ReadWriteByteBuffer()
  for (const component of replica.engine.componentsIter()) component.dumpCrdtStateToBuffer(buffer)
  return buffer.toCopiedBinary ? buffer.toCopiedBinary() : buffer.toBinary().slice()
}

function setComponent (replica, id, name, value) {
  replica.byName[name].createOrReplace(entityNumber(id), toEngine[name] ? toEngine[name](value) : value)
}

export default {
  name: 'dcl-ecs',
  version: packageVersion('@dcl/ecs'),
  create,
  load,
  save,
  toJSON (replica) {
    const state = {}
    for (const name in replica.byName) {
      const convert = fromEngine[name] ?? (v => ({ value: v.value }))
      for (const [number, value] of replica.byName[name].iterator()) {
        const index = number - FIRST_ENTITY
        const id = index < replica.entityCount ? 'e' + String(index).padStart(6, '0') : 'x' + index
        state[id] ??= {}
        state[id][name] = convert(value)
      }
    }
    return state
  },
  onMessage (replica, fn) { replica.onMessage = fn },
  edit (replica, fn) {
    fn()
    return replica.engine.update(1)
  },
  addEntity (replica, id, values) {
    replica.engine.entityContainer.updateUsedEntity(entityNumber(id))
    for (const name in values) setComponent(replica, id, name, values[name])
  },
  setComponent,
  removeEntity: (replica, id) => replica.engine.removeEntity(entityNumber(id)),
  removeComponent: (replica, id, name) => replica.byName[name].deleteFrom(entityNumber(id)),
  apply (replica, message) {
    replica.transport.onmessage(message)
    return replica.engine.update(1)
  },
  keepsMessages: true, // no state vector: what can be sent is the messages of the ticks
  diffSince: replica => new Uint8Array(Buffer.concat(replica.sent)),
  async applyMany (replica, diffs) {
    replica.onMessage = null
    for (const diff of diffs) replica.transport.onmessage(diff)
    await replica.engine.update(1)
  },
  fullEncodings: [{ name: 'dump', encode: save, decode: load }]
}
