// W7: two replicas share the history of W1; one misses k updates of the other and catches up.
import fs from 'node:fs'
import { drawTransform, entityId, updateStream } from '../draw.mjs'
import { printResult, timed } from '../measure.mjs'
import { stateHash } from '../state.mjs'

const MISSED = [0, 10, 1000]

export default async function w7 (context) {
  const { engine, entityCount } = context
  const saved = new Uint8Array(fs.readFileSync(context.file('full.bin')))
  const full = await engine.load(saved, 6, entityCount)
  const old = await engine.load(saved, 7, entityCount)
  engine.onMessage(full, () => {})
  const stream = updateStream()
  for (const missed of MISSED) {
    for (let j = 0; j < missed; j++) {
      await engine.edit(full, () => {
        const id = entityId(stream.next() % entityCount)
        engine.setComponent(full, id, 'Transform', drawTransform(stream))
      })
    }
    const [catchUp, sent] = await timed(() => engine.sync(old, full))
    printResult(context, `W7-catch-up-${missed}`, catchUp, {
      ops: missed, wire_bytes: sent.bytes, request_bytes: sent.request, messages: sent.messages,
      equal: stateHash(engine.toJSON(old)).fnv1a32 === stateHash(engine.toJSON(full)).fnv1a32
    })
  }
}
