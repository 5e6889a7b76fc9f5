// Can this engine run here? One edit, and its version.
import { buildStream, drawEntity, entityId } from '../draw.mjs'

export default async function probe ({ engine }) {
  const replica = await engine.create(1, 1)
  engine.onMessage(replica, () => {})
  await engine.edit(replica, () => engine.addEntity(replica, entityId(0), drawEntity(buildStream(), 0)))
  if (engine.toJSON(replica)[entityId(0)] === undefined) throw new Error('the edit is not there')
  console.log(JSON.stringify({ peer: engine.name, version: engine.version }))
}
