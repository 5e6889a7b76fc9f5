// W3: replicas of one scene are edited apart, then everybody gets everybody's edits.
import { MERGE_ENTITY_COUNT, mergeEdits } from '../draw.mjs'
import { Stopwatch, peakRss, printResult, timed } from '../measure.mjs'
import { stateHash } from '../state.mjs'
import { buildScene } from './build.mjs'

function perform (engine, replica, edit) {
  if (edit.kind === 'set') engine.setComponent(replica, edit.id, edit.component, edit.value)
  else if (edit.kind === 'add') engine.addEntity(replica, edit.id, edit.components)
  else if (edit.kind === 'remove') engine.removeEntity(replica, edit.id)
  else engine.removeComponent(replica, edit.id, edit.component)
}

async function openReplicas (engine, replicaCount) {
  const base = await engine.create(1, MERGE_ENTITY_COUNT)
  engine.onMessage(base, () => {})
  await buildScene(engine, base, MERGE_ENTITY_COUNT, 1000)
  const saved = engine.save(base)
  const replicas = []
  for (let r = 0; r < replicaCount; r++) replicas.push(await engine.load(saved, 10 + r, MERGE_ENTITY_COUNT))
  return replicas
}

export default async function w3 (context) {
  const { engine, edits: editCount, replicas: replicaCount } = context
  const replicas = await openReplicas(engine, replicaCount)
  const marks = replicas.map(replica => engine.mark?.(replica))
  const lists = replicas.map((_, r) => mergeEdits(r, editCount, MERGE_ENTITY_COUNT))
  const edited = { messages: 0, wire_bytes: 0 }

  const [edit] = await timed(async () => {
    for (const [r, replica] of replicas.entries()) {
      engine.onMessage(replica, message => {
        edited.messages++
        edited.wire_bytes += message.length
        if (engine.keepsMessages) replica.sent.push(message.slice())
      })
      for (const one of lists[r]) {
        const pending = engine.edit(replica, () => perform(engine, replica, one))
        if (pending) await pending
      }
    }
  })
  printResult(context, `W3-edit-R${replicaCount}`, edit, { ops: replicaCount * editCount, ...edited })

  const encode = new Stopwatch()
  const merge = new Stopwatch()
  encode.start()
  const diffs = replicas.map((replica, r) => engine.diffSince(replica, marks[r]))
  encode.stop()
  merge.start()
  for (const [r, replica] of replicas.entries()) await engine.applyMany(replica, diffs.filter((_, q) => q !== r))
  merge.stop()
  const rss = peakRss()
  const hashes = new Set(replicas.map(replica => stateHash(engine.toJSON(replica)).sha256))
  const diffBytes = diffs.reduce((sum, diff) => sum + diff.length, 0)
  printResult(context, `W3-merge-R${replicaCount}`, Stopwatch.sum(encode, merge), {
    ops: replicaCount * (replicaCount - 1) * editCount, edits_each: editCount, encode_s: encode.cpu,
    wire_bytes: diffBytes * (replicaCount - 1), diff_bytes: diffBytes, doc_bytes: engine.save(replicas[0]).length,
    equal: hashes.size === 1, sha256: [...hashes][0], peak_rss: rss
  })
}
