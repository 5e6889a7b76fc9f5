/* Until what is awaited counts as missing: for liveness alone, nothing is timed by it. */
export const WAIT_MS = Number(process.env.SCENESYNC_WAIT ?? 30) * 1000;
