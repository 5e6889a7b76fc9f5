// W8: entities are created and deleted again and again; what stays of them?
import { buildStream, drawEntity } from '../draw.mjs'
import { collectGarbage, printResult, timed } from '../measure.mjs'

const CYCLE_COUNT = 100000 // at scale 1

export default async function w8 (context) {
  const { engine, scale } = context
  const cycles = Math.round(CYCLE_COUNT * scale)
  const replica = await engine.create(1, 1)
  engine.onMessage(replica, () => {})
  const fresh = engine.save(replica).length
  const components = drawEntity(buildStream(), 0)
  collectGarbage()
  const before = process.memoryUsage().rss
  const [cycle] = await timed(async () => {
    for (let i = 0; i < cycles; i++) {
      await engine.edit(replica, () => engine.addEntity(replica, 'x' + i, components))
      await engine.edit(replica, () => engine.removeEntity(replica, 'x' + i))
    }
  })
  collectGarbage()
  printResult(context, 'W8-cycles', cycle, {
    ops: cycles, doc_bytes: engine.save(replica).length, fresh_doc_bytes: fresh,
    rss_growth: process.memoryUsage().rss - before
  })
}
