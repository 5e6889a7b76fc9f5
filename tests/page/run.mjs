/* The page from end to end: real workers, real browsers.
 *
 *      node tests/page/run.mjs [--jobs N] [FLOW...]      all flows, or those whose names contain a word
 *      SCENESYNC_KEEP=1                                  leaves the folders of the flows
 *
 * Each prints one line that tests/count.py counts: [PASS], [FAIL] or [SKIP] with page::NAME, and
 * the reason behind it. What is known of those that failed stands once more at the end. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, chromiumPath } from './support/browser.mjs';
import { PROGRAM, ROOT } from './support/program.mjs';
import { Skip, World } from './support/world.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const pictures = path.join(ROOT, 'out/page');
const FLOW_MS = 600_000;
const REASON_MAX = 400; /* characters */

async function gather(words) {
    const flows = [];
    for (const file of readdirSync(path.join(here, 'flows')).filter((name) => name.endsWith('.mjs')).sort()) {
        const found = await import(`./flows/${file}`);
        flows.push(...Object.entries(found).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word))));
    }
    return flows;
}

/* What a text begins with, and the end of it, where a call of the browser tells what it waited for. */
function brief(error) {
    const lines = String(error?.message ?? error).replace(/\u001b\[[0-9;]*m/g, '').split('\n').map((line) => line.trim()).filter(Boolean);
    return (lines.length > 3 ? [lines[0], ...lines.slice(-2)] : lines).join(' | ').slice(0, REASON_MAX);
}

/* An error in one line: what, because of what, at which line of the flow. */
function inOneLine(error) {
    const at = /flows\/(\w+\.mjs:\d+)/.exec(error?.stack ?? '');
    return [brief(error), ...(error?.cause ? [`because: ${brief(error.cause)}`] : []), ...(at ? [`at ${at[1]}`] : [])].join(' | ');
}

/* All that is known of a flow that failed. */
async function account(world, error) {
    const states = await world.states();
    await world.pictures(pictures);
    const logs = world.programs.map((program) => [program.name, program.said()]).filter(([, said]) => said);
    return [error.stack, ...(error.cause ? [`because: ${error.cause.stack ?? error.cause}`] : []), ...states, ...world.troubles(),
        ...logs.map(([name, said]) => `---- ${name}: ${said}`)];
}

/* `told`: takes a line for those who read the end only. */
async function run(name, flow, browser, told) {
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
        reason = `: ${error instanceof Skip ? error.message : inOneLine(error)}`;
        if (verdict === 'FAIL') {
            lines.push(...await account(world, error));
        }
    }
    await world.close();
    lines.push(...world.figures.map((figure) => `  ${figure}`));
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    console.log([...lines, `[${verdict}] page::${name}${reason}`, `  ${seconds} s`].join('\n'));
    if (verdict === 'FAIL') {
        told(`[FAIL] page::${name}${reason} (after ${seconds} s)`);
    }
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
    const failed = [];
    try {
        const work = async () => {
            for (let next = flows.shift(); next; next = flows.shift()) {
                await run(next[0], next[1], browser, (line) => failed.push(line));
            }
        };
        await Promise.all(Array.from({ length: jobs }, work));
    } finally {
        await browser.close();
    }
    failed.forEach((line) => console.log(line));
    return failed.length > 0 ? 1 : 0;
}

process.exit(await main());
