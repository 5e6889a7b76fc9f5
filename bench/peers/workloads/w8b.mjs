// W8b: ten fields are overwritten again and again, and entities come and go one by one, each in
// two transactions; how large is the document then?
import { buildStream, drawEntity, entityId } from '../draw.mjs'
import { printResult, timed } from '../measure.mjs'

const OVERWRITE_COUNT = 100000 // at scale 1
const CYCLE_COUNT = 100000
const FIELD_COUNT = 10

async function overwrite (context) {
  const { engine, scale } = context
  const writes = Math.round(OVERWRITE_COUNT * scale)
  const replica = await engine.create(1, FIELD_COUNT)
  engine.onMessage(replica, () => {})
  await engine.edit(replica, () => {
    for (let i = 0; i < FIELD_COUNT; i++) engine.addEntity(replica, entityId(i), { Tag: { value: -1 } })
  })
  const [watch] = await timed(async () => {
    for (let i = 0; i < writes; i++) {
      await engine.edit(replica, () => engine.setComponent(replica, entityId(i % FIELD_COUNT), 'Tag', { value: i }))
    }
  })
  printResult(context, 'W8b-overwrite', watch, { ops: writes, doc_bytes: engine.save(replica).length })
}

async function comeAndGo (context) {
  const { engine, scale } = context
  const cycles = Math.round(CYCLE_COUNT * scale)
  const replica = await engine.create(1, cycles)
  engine.onMessage(replica, () => {})
  const components = drawEntity(buildStream(), 0)
  const [watch] = await timed(async () => {
    for (let i = 0; i < cycles; i++) {
      await engine.edit(replica, () => engine.addEntity(replica, entityId(i), components))
      await engine.edit(replica, () => engine.removeEntity(replica, entityId(i)))
    }
  })
  printResult(context, 'W8b-cycles', watch, { ops: cycles, doc_bytes: engine.save(replica).length })
}

export default async function w8b (context) {
  await overwrite(context)
  await comeAndGo(context)
}
