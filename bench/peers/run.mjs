// One engine does one workload and prints a line of JSON a result:
//
//   node --expose-gc run.mjs ENGINE probe|w1|w2|w3|w45|w6|w7|w8b|w10 [--variant=op|batch]
//        [--scale=1] [--replicas=2] [--edits=10000] [--run=0] [--dir=/tmp/scenesync-bench] [--keep]
//
// w2, w45 and w7 read what a w1 of the same scale left with --keep. `probe` makes one edit and
// prints the engine's version: an engine that cannot run here fails at that.
//
// An engine is the default export of engines/ENGINE.mjs. A replica is whatever `create` returns.
//   name, version
//   create(id, entityCount), load(bytes, id, entityCount), save(replica), toJSON(replica)
//   onMessage(replica, fn)       fn takes the message of each transaction from now on
//   edit(replica, fn)            one transaction: fn calls the four below
//   addEntity(replica, id, components)   setComponent(replica, id, component, value)
//   removeEntity(replica, id)            removeComponent(replica, id, component)
//   apply(replica, message), applyMany(replica, diffs)
//   mark(replica), diffSince(replica, mark)      what was done since; `keepsMessages`: it has no
//                                diff, so the workload keeps the messages in replica.sent
//   fullEncodings                [{name, encode(replica), decode(bytes, id, entityCount)}]
//   sync(old, full)              catch-up by its own protocol: {bytes, request, messages}
//   map                          W6: create(id), set(doc, key, value) -> messages,
//                                applyAll(doc, messages), get(doc), encode(doc), load(bytes)
// edit, apply, applyMany and load may return a promise. What is null or missing, it cannot do.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ENTITY_COUNT, UPDATE_COUNT, MERGE_EDIT_COUNT } from './draw.mjs'

const { values: options, positionals: [engineName, workload] } = parseArgs({
  allowPositionals: true,
  options: {
    variant: { type: 'string', default: 'op' },
    scale: { type: 'string', default: '1' },
    replicas: { type: 'string', default: '2' },
    edits: { type: 'string', default: String(MERGE_EDIT_COUNT) },
    run: { type: 'string', default: '0' },
    dir: { type: 'string', default: '/tmp/scenesync-bench' },
    keep: { type: 'boolean', default: false }
  }
})
const { default: engine } = await import(`./engines/${engineName}.mjs`)
const scale = Number(options.scale)
fs.mkdirSync(options.dir, { recursive: true })

const context = {
  engine,
  scale,
  run: Number(options.run),
  variant: options.variant,
  keep: options.keep,
  replicas: Number(options.replicas),
  edits: Number(options.edits),
  entityCount: Math.round(ENTITY_COUNT * scale),
  updateCount: Math.round(UPDATE_COUNT * scale),
  perMessage: options.variant === 'batch' ? 1000 : 1,
  file: name => path.join(options.dir, `${engine.name}-${scale}-${name}`)
}
const { default: work } = await import(`./workloads/${workload}.mjs`)
await work(context)
