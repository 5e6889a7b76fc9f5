/* Makes of cli/page what the worker serves:
 *
 *      node build.mjs OUT [--dev]
 *
 *      OUT/index.html, OUT/status.html       their scripts and styles named as below
 *      OUT/page/NAME-HASH.js, -HASH.css      bundled and minified; the hash is of what is in it
 *      OUT/page/licenses.txt                 of all libraries that are in the bundles
 *
 * What the pages name by <script src="src/..."> and <link href="src/..."> are the entries.
 * The same sources and libraries give the same bytes. --dev: not minified, with source maps. */
import { build } from 'esbuild';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const pages = ['index.html', 'status.html'];
const named = /\b(src|href)="(src\/[^"]+)"/g;

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/* Entry -> where its bundle is served. */
async function bundle(entries, out, dev) {
    const done = await build({
        absWorkingDir: here,
        entryPoints: entries,
        outdir: join(out, 'page'),
        entryNames: '[name]-[hash]',
        chunkNames: '[name]-[hash]',
        bundle: true,
        splitting: true,
        format: 'esm',
        target: ['chrome110', 'firefox115'],
        jsx: 'automatic',
        jsxImportSource: 'preact',
        minify: !dev,
        sourcemap: dev ? 'inline' : false,
        legalComments: 'none',
        charset: 'utf8',
        define: { 'process.env.NODE_ENV': dev ? '"development"' : '"production"' },
        metafile: true,
        logLevel: 'warning',
    });
    const served = new Map();
    for (const [file, made] of Object.entries(done.metafile.outputs)) {
        if (made.entryPoint) {
            served.set(made.entryPoint, '/page/' + relative(join(out, 'page'), join(here, file)));
        }
    }
    return { served, inputs: Object.keys(done.metafile.inputs) };
}

/* The packages that the bundles hold something of, as folders. */
function packagesOf(inputs) {
    const found = new Set();
    for (const input of inputs) {
        const at = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
        if (at) {
            found.add(join(here, at[1]));
        }
    }
    return [...found].sort(byText);
}

async function licenseOf(folder) {
    const about = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).sort(byText).find((name) => /^(licen[cs]e|copying)/i.test(name));
    if (!file) {
        throw new Error(`${folder} has no license`);
    }
    const text = (await readFile(join(folder, file), 'utf8')).trim();
    return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

const args = process.argv.slice(2);
const dev = args.includes('--dev');
const out = args.find((word) => !word.startsWith('--'));
if (!out) {
    console.error('usage: node build.mjs OUT [--dev]');
    process.exit(2);
}

const texts = new Map();
const entries = new Set();
for (const page of pages) {
    const text = await readFile(join(here, page), 'utf8');
    texts.set(page, text);
    for (const found of text.matchAll(named)) {
        entries.add(found[2]);
    }
}

await rm(out, { recursive: true, force: true });
await mkdir(join(out, 'page'), { recursive: true });
const { served, inputs } = await bundle([...entries].sort(byText), out, dev);
for (const [page, text] of texts) {
    await writeFile(join(out, page), text.replace(named, (_, what, entry) => `${what}="${served.get(entry)}"`));
}
const licenses = [];
for (const folder of packagesOf(inputs)) {
    licenses.push(await licenseOf(folder));
}
await writeFile(join(out, 'page', 'licenses.txt'), licenses.join('\n----------------\n\n'));
