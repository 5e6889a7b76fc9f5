// Time, memory and the lines of results.
import fs from 'node:fs'
import os from 'node:os'

const wallNow = () => Number(process.hrtime.bigint()) / 1e9
const cpuNow = () => {
  const used = process.cpuUsage() // of all threads, user and system
  return (used.user + used.system) / 1e6
}

// Bytes; the peak since the last reset.
export const peakRss = () => Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
export const resetPeakRss = () => fs.writeFileSync('/proc/self/clear_refs', '5')

export const collectGarbage = () => globalThis.gc?.()

export class Stopwatch {
  constructor () { this.wall = 0; this.cpu = 0 }
  start () { this.wallStart = wallNow(); this.cpuStart = cpuNow() }

  stop () {
    this.wall += wallNow() - this.wallStart
    this.cpu += cpuNow() - this.cpuStart
  }

  static sum (a, b) {
    const sum = new Stopwatch()
    sum.wall = a.wall + b.wall
    sum.cpu = a.cpu + b.cpu
    return sum
  }
}

// [stopwatch, what `work` returned]
export async function timed (work) {
  const watch = new Stopwatch()
  watch.start()
  const result = await work()
  watch.stop()
  return [watch, result]
}

// One result: a line of JSON with the keys of docs/BENCHMARKS.md.
export function printResult (context, workload, watch, fields) {
  const { ops } = fields
  console.log(JSON.stringify({
    peer: context.engine.name,
    version: context.engine.version,
    workload,
    scale: context.scale,
    run: context.run,
    seconds: +watch.wall.toFixed(6),
    cpu_s: +watch.cpu.toFixed(6),
    ops_per_s: Math.round(ops / watch.wall),
    ops_per_cpu_s: Math.round(ops / watch.cpu),
    ...fields,
    peak_rss: fields.peak_rss ?? peakRss(),
    load1: +os.loadavg()[0].toFixed(2)
  }))
}
