/* Until what is awaited counts as missing: for liveness alone, nothing is timed by it. Ten times
 * what a page needs on two cores that have five other things to do. */
export const WAIT_MS = Number(process.env.SCENESYNC_WAIT ?? 120) * 1000;
