/* The page from end to end: real workers, real browsers.
 *
 *      node tests/page/run.mjs [--jobs N] [FLOW...]      all flows, or those whose names contain a word
 *      SCENESYNC_KEEP=1                                  leaves the folders of the flows
 *
 * Each prints one line that tests/count.py counts: [PASS], [FAIL] or [SKIP] with page::NAME. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, chromiumPath } from './support/browser.mjs';
import { PROGRAM, ROOT } from './support/program.mjs';
import { Skip, World } from './support/world.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const pictures = path.join(ROOT, 'out/page');
const FLOW_MS = 240_000;

async function gather(words) {
    const flows = [];
    for (const file of readdirSync(path.join(here, 'flows')).filter((name) => name.endsWith('.mjs')).sort()) {
        const found = await import(`./flows/${file}`);
        flows.push(...Object.entries(found).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word))));
    }
    return flows;
}

async function run(name, flow, browser) {
    const world = new World(name, browser);
    const begun = Date.now();
    let verdict = 'PASS';
    let reason = '';
    const lines = [];
    try {
        let late;
        await Promise.race([flow(world), new Promise((_, reject) => {
            late = setTimeout(() => reject(new Error('the flow hangs')), FLOW_MS);
        })]).finally(() => clearTimeout(late));
        const troubles = world.troubles();
        if (troubles.length > 0) {
            throw new Error(`troubles:\n  ${troubles.join('\n  ')}`);
        }
    } catch (error) {
        verdict = error instanceof Skip ? 'SKIP' : 'FAIL';
        reason = error instanceof Skip ? `: ${error.message}` : '';
        if (verdict === 'FAIL') {
            lines.push(error.stack, ...(error.cause ? [`because: ${error.cause.stack ?? error.cause}`] : []), ...world.troubles());
            await world.pictures(pictures);
            for (const program of world.programs) {
                const said = program.said();
                lines.push(...(said ? [`---- ${program.name}: ${said}`] : []));
            }
        }
    }
    await world.close();
    lines.push(...world.figures.map((figure) => `  ${figure}`));
    console.log([...lines, `[${verdict}] page::${name}${reason}`].join('\n'));
    console.log(`  ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    return verdict;
}

/* Why nothing can be tried here. */
async function missing() {
    if (!chromiumPath()) {
        return 'chromium is not installed';
    }
    const world = new World('probe', null);
    const worker = await world.worker('probe');
    const answer = await worker.call('GET', '/');
    await world.close();
    return answer.text.includes('/page/') ? null : `${PROGRAM} was built without its page`;
}

async function main() {
    const words = process.argv.slice(2);
    const at = words.indexOf('--jobs');
    const jobs = at < 0 ? 3 : Number(words.splice(at, 2)[1]);
    const reason = await missing();
    if (reason) {
        console.log(reason);
        return 77;
    }
    const flows = await gather(words);
    const browser = await launch();
    let failed = 0;
    try {
        const work = async () => {
            for (let next = flows.shift(); next; next = flows.shift()) {
                failed += await run(next[0], next[1], browser) === 'FAIL' ? 1 : 0;
            }
        };
        await Promise.all(Array.from({ length: jobs }, work));
    } finally {
        await browser.close();
    }
    return failed > 0 ? 1 : 0;
}

process.exit(await main());
