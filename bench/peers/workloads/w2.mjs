// W2: an empty replica applies the messages of W1.
import { Stopwatch, peakRss, printResult } from '../measure.mjs'
import { readMessages } from '../message_log.mjs'
import { stateHash } from '../state.mjs'

export default async function w2 (context) {
  const { engine, entityCount, updateCount, perMessage, variant } = context
  const replica = await engine.create(2, entityCount)
  const buildCount = entityCount / perMessage
  const build = new Stopwatch()
  const update = new Stopwatch()
  let messages = 0
  let bytes = 0
  let buildBytes = 0
  build.start()
  for (const message of readMessages(context.file(`${variant}.log`))) {
    const pending = engine.apply(replica, message)
    if (pending) await pending
    bytes += message.length
    if (++messages === buildCount) {
      build.stop()
      buildBytes = bytes
      update.start()
    }
  }
  update.stop()
  const rss = peakRss()
  printResult(context, `W2-build-${variant}`, build, {
    ops: entityCount, messages: buildCount, wire_bytes: buildBytes, peak_rss: rss
  })
  printResult(context, `W2-update-${variant}`, update, {
    ops: updateCount, messages: messages - buildCount, wire_bytes: bytes - buildBytes,
    fnv1a32: stateHash(engine.toJSON(replica)).fnv1a32, peak_rss: rss
  })
}
