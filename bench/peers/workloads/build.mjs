// The scene that workloads start from.
import { buildStream, drawEntity, entityId } from '../draw.mjs'

export async function buildScene (engine, replica, entityCount, perMessage) {
  const stream = buildStream()
  for (let i = 0; i < entityCount; i += perMessage) {
    const last = Math.min(i + perMessage, entityCount)
    await engine.edit(replica, () => {
      for (let k = i; k < last; k++) engine.addEntity(replica, entityId(k), drawEntity(stream, k))
    })
  }
}
