// W8b: ten fields are overwritten again and again; how large is the document then?
import { entityId } from '../draw.mjs'
import { printResult, timed } from '../measure.mjs'

const OVERWRITE_COUNT = 100000 // at scale 1
const FIELD_COUNT = 10

export default async function w8b (context) {
  const { engine, scale } = context
  const writes = Math.round(OVERWRITE_COUNT * scale)
  const replica = await engine.create(1, FIELD_COUNT)
  engine.onMessage(replica, () => {})
  await engine.edit(replica, () => {
    for (let i = 0; i < FIELD_COUNT; i++) engine.addEntity(replica, entityId(i), { Tag: { value: -1 } })
  })
  const [overwrite] = await timed(async () => {
    for (let i = 0; i < writes; i++) {
      await engine.edit(replica, () => engine.setComponent(replica, entityId(i % FIELD_COUNT), 'Tag', { value: i }))
    }
  })
  printResult(context, 'W8b-overwrite', overwrite, { ops: writes, doc_bytes: engine.save(replica).length })
}
