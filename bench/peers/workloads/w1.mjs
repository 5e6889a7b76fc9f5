// W1: build a scene, then set the Transform of random entities; messages go to a file.
import fs from 'node:fs'
import { drawTransform, entityId, updateStream } from '../draw.mjs'
import { Stopwatch, peakRss, printResult, resetPeakRss, timed } from '../measure.mjs'
import { MessageWriter } from '../message_log.mjs'
import { stateHash } from '../state.mjs'
import { buildScene } from './build.mjs'

export default async function w1 (context) {
  const { engine, entityCount, updateCount, perMessage, variant, keep } = context
  const log = new MessageWriter(context.file(`${variant}.log`))
  const replica = await engine.create(1, entityCount)
  engine.onMessage(replica, message => log.put(message))

  const [build] = await timed(() => buildScene(engine, replica, entityCount, perMessage))
  const built = { messages: log.messageCount, wire_bytes: log.byteCount }
  printResult(context, `W1-build-${variant}`, build, { ops: entityCount, ...built })

  const stream = updateStream()
  const update = new Stopwatch()
  const keepsDocuments = keep && variant === 'op' && engine.save // for w45 and w7
  let rss = 0
  update.start()
  for (let j = 0; j < updateCount; j += perMessage) {
    if (keepsDocuments && j === updateCount - updateCount / 100) {
      update.stop()
      rss = peakRss()
      fs.writeFileSync(context.file('at99.bin'), engine.save(replica))
      resetPeakRss()
      update.start()
    }
    const pending = engine.edit(replica, () => {
      for (let k = 0; k < perMessage; k++) {
        const id = entityId(stream.next() % entityCount)
        engine.setComponent(replica, id, 'Transform', drawTransform(stream))
      }
    })
    if (pending) await pending
  }
  log.flush()
  update.stop()
  rss = Math.max(rss, peakRss())
  log.close()

  const saved = engine.save?.(replica)
  if (keepsDocuments) fs.writeFileSync(context.file('full.bin'), saved)
  const { fnv1a32, json_bytes } = stateHash(engine.toJSON(replica))
  const wire = log.byteCount - built.wire_bytes
  printResult(context, `W1-update-${variant}`, update, {
    ops: updateCount, messages: log.messageCount - built.messages, wire_bytes: wire,
    bytes_per_op: +(wire / updateCount).toFixed(2), doc_bytes: saved?.length, fnv1a32, json_bytes, peak_rss: rss
  })
}
