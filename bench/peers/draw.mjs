// The workloads' random scenes and edits: docs/BENCHMARKS.md. bench/workload.c draws the
// same numbers in the same order.

export const ENTITY_COUNT = 100000 // W1, at scale 1
export const UPDATE_COUNT = 1000000
export const MERGE_ENTITY_COUNT = 10000 // W3
export const MERGE_EDIT_COUNT = 10000
export const CLIENT_COUNT = 20 * Math.floor(Math.sqrt(6000)) // W6

const SEED_BUILD = 0x9E3779B9
const SEED_UPDATE = 0x12345678
const SEED_MERGE = 0xC0FFEE01
const SEED_CLIENTS = 0x5EED0006

// In the order of the bits of W3's masks.
const COMPONENTS = ['Transform', 'GLTFShape', 'Name', 'Visible', 'Audio', 'Collider', 'Script', 'Tag']

// xorshift32
class Stream {
  constructor (seed) { this.x = seed >>> 0 }

  next () {
    let x = this.x
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.x = x >>> 0
    return this.x
  }
}

export const buildStream = () => new Stream(SEED_BUILD)
export const updateStream = () => new Stream(SEED_UPDATE)
export const clientStream = () => new Stream(SEED_CLIENTS)

const padded = (n, width) => String(n).padStart(width, '0')
export const entityId = index => 'e' + padded(index, 6)
const addedId = (replica, count) => 'n' + padded(replica, 2) + '_' + padded(count, 5)

const position = x => (x % 200001 - 100000) / 64
const rotation = x => (x % 513 - 256) / 256
const scale = x => (x % 256 + 1) / 64

// 10 draws, all made before any is used. Written out, for it is part of the time of W1.
export function drawTransform (s) {
  const px = s.next(), py = s.next(), pz = s.next()
  const rx = s.next(), ry = s.next(), rz = s.next(), rw = s.next()
  const sx = s.next(), sy = s.next(), sz = s.next()
  return {
    position: [position(px), position(py), position(pz)],
    rotation: [rotation(rx), rotation(ry), rotation(rz), rotation(rw)],
    scale: [scale(sx), scale(sy), scale(sz)]
  }
}

// 12 draws: the four components of an entity.
function drawComponents (s, name) {
  const Transform = drawTransform(s)
  const model = s.next() % 500
  const visible = s.next()
  return {
    Transform,
    GLTFShape: { src: 'models/m' + padded(model, 4) + '.glb' },
    Name: { value: name },
    Visible: { value: ((visible >>> 16) & 1) === 1 }
  }
}

export const drawEntity = (s, index) => drawComponents(s, 'Entity ' + index)

// W3: the edits of one replica, drawn without looking at any replica:
// {kind: 'set', id, component, value}, {kind: 'add', id, components},
// {kind: 'remove', id} or {kind: 'unset', id, component}.
export function mergeEdits (replica, editCount, entityCount) {
  const s = new Stream((SEED_MERGE + Math.imul(0x9E3779B1, replica)) >>> 0)
  const live = new Uint8Array(entityCount).fill(1)
  const mask = new Uint8Array(entityCount).fill(15)
  const edits = []
  let added = 0
  const target = () => {
    let t = s.next() % entityCount
    while (!live[t]) t = (t + 1) % entityCount
    return t
  }
  const setTransform = t => {
    mask[t] |= 1
    edits.push({ kind: 'set', id: entityId(t), component: 'Transform', value: drawTransform(s) })
  }
  for (let n = 0; n < editCount; n++) {
    const k = s.next() % 100
    if (k >= 70 && k < 80) {
      edits.push({
        kind: 'add', id: addedId(replica, added), components: drawComponents(s, `New ${replica} ${added}`)
      })
      added++
      continue
    }
    const t = target()
    if (k < 70) {
      setTransform(t)
    } else if (k < 85) {
      live[t] = 0
      edits.push({ kind: 'remove', id: entityId(t) })
    } else if (k < 95) {
      const c = 4 + s.next() % 4
      mask[t] |= 1 << c
      edits.push({ kind: 'set', id: entityId(t), component: COMPONENTS[c], value: { value: s.next() % 1000 } })
    } else {
      let c = s.next() % 8
      if (mask[t] === 0) {
        setTransform(t)
        continue
      }
      while (!(mask[t] & (1 << c))) c = (c + 1) % 8
      mask[t] &= ~(1 << c)
      edits.push({ kind: 'unset', id: entityId(t), component: COMPONENTS[c] })
    }
  }
  return edits
}
