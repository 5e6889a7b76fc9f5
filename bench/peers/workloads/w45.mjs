// W4 and W5: the saved document of W1 is loaded, shown, saved; sent whole to who has nothing,
// and in part to who missed the last hundredth.
import fs from 'node:fs'
import { Stopwatch, collectGarbage, printResult, timed } from '../measure.mjs'
import { stateHash } from '../state.mjs'

async function loadAndSave (context, saved) {
  const { engine, entityCount } = context
  const ops = entityCount * 4
  collectGarbage()
  const rssBefore = process.memoryUsage().rss
  const [load, replica] = await timed(() => engine.load(saved, 3, entityCount))
  const rssGrowth = process.memoryUsage().rss - rssBefore
  printResult(context, 'W5-load', load, { ops, doc_bytes: saved.length, rss_growth: rssGrowth })
  const [flatten, state] = await timed(() => engine.toJSON(replica))
  printResult(context, 'W5-tojson', flatten, { ops })
  const [stringify, text] = await timed(() => JSON.stringify(state))
  const size = Buffer.byteLength(text)
  printResult(context, 'W5-stringify', stringify, { ops, json_bytes: size })
  printResult(context, 'W5-snapshot', Stopwatch.sum(flatten, stringify), { ops, json_bytes: size })
  const [save, again] = await timed(() => engine.save(replica))
  const { fnv1a32 } = stateHash(state)
  printResult(context, 'W5-save', save, { ops, doc_bytes: again.length, fnv1a32 })
  return { replica, fnv1a32 }
}

export default async function w45 (context) {
  const { engine, entityCount, updateCount } = context
  const full = new Uint8Array(fs.readFileSync(context.file('full.bin')))
  const { replica, fnv1a32 } = await loadAndSave(context, full)

  for (const encoding of engine.fullEncodings) {
    const [encode, bytes] = await timed(() => encoding.encode(replica))
    const [decode, joined] = await timed(() => encoding.decode(bytes, 4, entityCount))
    printResult(context, `W4-full-${encoding.name}`, Stopwatch.sum(encode, decode), {
      ops: entityCount * 4, wire_bytes: bytes.length, encode_s: encode.cpu, decode_s: decode.cpu,
      equal: stateHash(engine.toJSON(joined)).fnv1a32 === fnv1a32
    })
    engine.free?.(joined)
  }
  if (engine.sync) {
    const old = await engine.load(new Uint8Array(fs.readFileSync(context.file('at99.bin'))), 5, entityCount)
    const [catchUp, sent] = await timed(() => engine.sync(old, replica))
    printResult(context, 'W4-miss1pct', catchUp, {
      ops: updateCount / 100, wire_bytes: sent.bytes, request_bytes: sent.request, messages: sent.messages,
      equal: stateHash(engine.toJSON(old)).fnv1a32 === fnv1a32
    })
  }
}
