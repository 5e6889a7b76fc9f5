/* The tests of core (cli/page/src/core), and of what in ui and view needs no browser, under node's test runner.
 *
 *      node tests/page/core/run.mjs [NAME...]      all, or those whose file names contain a word
 *
 * They are TypeScript: bundled by the page's esbuild, next to the helpers that they share with the
 * tests in browsers. */

import { createRequire } from 'node:module';
import { readdirSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const { build } = createRequire(path.join(here, '../../../cli/page/package.json'))('esbuild');
const out = path.join(here, '../../../build/page-core');
const ours = { name: 'ours', setup: ({ onResolve }) => onResolve({ filter: /\.mjs$/ }, ({ path: name, resolveDir }) =>
    ({ path: path.join(resolveDir, name), external: true })) };

const words = process.argv.slice(2);
const tests = ['core', 'ui', 'view'].flatMap((folder) => readdirSync(path.join(here, '..', folder)).filter((name) =>
    name.endsWith('.test.ts') && (words.length === 0 || words.some((word) => name.includes(word))))
    .sort().map((name) => path.join(folder, name)));
rmSync(out, { recursive: true, force: true });
await build({
    absWorkingDir: path.join(here, '..'), entryPoints: tests, outbase: '.', outdir: out, outExtension: { '.js': '.mjs' }, bundle: true, format: 'esm',
    platform: 'node', target: 'node18', sourcemap: 'inline', plugins: [ours], logLevel: 'warning',
    nodePaths: [path.join(here, '../../../cli/page/node_modules')],
    /* One copy, whoever imports it: else a signal of the one is none of the other's. */
    alias: { '@preact/signals-core': path.join(here, '../../../cli/page/node_modules/@preact/signals-core/dist/signals-core.mjs') },
});

/* Each in a process of its own, two at a time: some wait for real workers. */
const todo = tests.map((name) => path.join(out, name.replace(/\.ts$/, '.mjs')));
let failed = 0;
async function work() {
    for (let file = todo.shift(); file !== undefined; file = todo.shift()) {
        const child = spawn(process.execPath, ['--enable-source-maps', `--test-reporter=${path.join(here, 'report.mjs')}`, file],
                            { stdio: ['ignore', 'pipe', 'pipe'] });
        let said = '';
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding('utf8').on('data', (text) => (said += text));
        }
        const code = await new Promise((resolve) => child.once('close', resolve));
        failed += code === 0 ? 0 : 1;
        process.stdout.write(code === 0 || said.includes('[FAIL]') ? said : `${said}\n${file} ended with ${code}\n`);
    }
}
await Promise.all([work(), work()]);
process.exit(failed > 0 ? 1 : 0);
