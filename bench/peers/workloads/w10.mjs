// W10: the scene of W1 as JSON text, into a document and out of it again.
import { buildStream, drawEntity, entityId } from '../draw.mjs'
import { printResult, timed } from '../measure.mjs'

const PER_TRANSACTION = 1000

export default async function w10 (context) {
  const { engine, entityCount } = context
  const stream = buildStream()
  const scene = {}
  for (let i = 0; i < entityCount; i++) scene[entityId(i)] = drawEntity(stream, i)
  const text = JSON.stringify(scene)
  const size = Buffer.byteLength(text)

  const replica = await engine.create(1, entityCount)
  const [importing] = await timed(async () => {
    const entities = Object.entries(JSON.parse(text))
    for (let i = 0; i < entities.length; i += PER_TRANSACTION) {
      await engine.edit(replica, () => {
        for (const [id, components] of entities.slice(i, i + PER_TRANSACTION)) {
          engine.addEntity(replica, id, components)
        }
      })
    }
  })
  const rate = watch => +(size / watch.cpu / 1e6).toFixed(1)
  printResult(context, 'W10-import', importing, { ops: entityCount, json_bytes: size, mb_per_cpu_s: rate(importing) })
  const [exporting, again] = await timed(() => JSON.stringify(engine.toJSON(replica)))
  printResult(context, 'W10-export', exporting, {
    ops: entityCount, json_bytes: Buffer.byteLength(again), mb_per_cpu_s: rate(exporting)
  })
}
