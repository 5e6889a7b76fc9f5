// W6: B3.1 to B3.3 of crdt-benchmarks, the part with maps: many clients, each with an empty
// document, set one key; one client gets all their updates.
import { isDeepStrictEqual } from 'node:util'
import { CLIENT_COUNT, clientStream } from '../draw.mjs'
import { collectGarbage, printResult, timed } from '../measure.mjs'

const cases = {
  'B3.1': i => i,
  'B3.2': i => ({ name: String(i), address: 'here' }),
  'B3.3': i => String(i).repeat(CLIENT_COUNT)
}

export default async function w6 (context) {
  const { map } = context.engine
  for (const [name, valueOf] of Object.entries(cases)) {
    const ids = clientStream()
    const docs = Array.from({ length: CLIENT_COUNT }, () => map.create(ids.next()))
    const updates = docs.flatMap((doc, i) => map.set(doc, 'v', valueOf(i)))
    map.applyAll(docs[0], updates)
    const expected = map.get(docs[0])
    let equal
    const [apply] = await timed(() => {
      map.applyAll(docs[1], updates)
      equal = isDeepStrictEqual(expected, map.get(docs[1])) // part of the time, as in the original
    })
    const [encode, bytes] = await timed(() => map.encode(docs[0]))
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    const [parse, loaded] = await timed(() => map.load(bytes))
    collectGarbage()
    const grown = process.memoryUsage().heapUsed - before
    printResult(context, `W6-${name}`, apply, {
      ops: CLIENT_COUNT, wire_bytes: updates.reduce((sum, u) => sum + u.length, 0), doc_bytes: bytes.length,
      encode_s: encode.cpu, parse_s: parse.cpu, mem_used: grown,
      equal: equal && isDeepStrictEqual(expected, map.get(loaded))
    })
  }
}
