/* Makes of cli/page what the worker serves:
 *
 *      node build.mjs OUT [--dev] [--deps FILE TARGET]
 *
 *      OUT/index.html, OUT/status.html       their scripts and styles named as below
 *      OUT/page/NAME-HASH.js, -HASH.css      bundled and minified; the hash is of what is in it
 *      OUT/page/licenses.txt                 of all libraries that are in the bundles
 *      OUT/.../NAME.gz                       each of them, gzipped
 *
 * What the pages name by <script src="src/..."> and <link href="src/..."> are the entries.
 * The same sources and libraries give the same bytes. --dev: not minified, with source maps.
 * --deps: write to FILE what TARGET was made of, as make reads it. */
import { build } from 'esbuild';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const pages = ['index.html', 'status.html'];
const named = /\b(src|href)="(src\/[^"]+)"/g;

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/* The outputs that this one asks for, at once or soon. */
function importedBy(outputs, file, found = []) {
    for (const one of outputs[file].imports) {
        if (['import-statement', 'dynamic-import'].includes(one.kind) && !one.external && !found.includes(one.path)) {
            found.push(one.path);
            importedBy(outputs, one.path, found);
        }
    }
    return found;
}

/* What each entry became ({ url, imports: urls }), and the files that all was made of. */
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
        loader: { '.svg': 'copy' },
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
    const { inputs, outputs } = done.metafile;
    const urlOf = (file) => '/page/' + relative(join(out, 'page'), join(here, file));
    const served = new Map();
    for (const [file, made] of Object.entries(outputs)) {
        const entry = made.entryPoint ?? Object.keys(made.inputs).find((input) => entries.includes(input));
        if (entry) {
            served.set(entry, { url: urlOf(file), imports: importedBy(outputs, file).map(urlOf) });
        }
    }
    return { served, inputs: Object.keys(inputs) };
}

/* A page with the names under which its entries are served; what a script imports is asked
 * for at once. */
function link(text, served) {
    const preload = (url) => `<link rel="modulepreload" href="${url}">\n`;
    return text
        .replace(/^<script\b[^>]*\bsrc="(src\/[^"]+)"/gm, (tag, entry) => served.get(entry).imports.map(preload).join('') + tag)
        .replace(named, (_, what, entry) => `${what}="${served.get(entry).url}"`);
}

async function gzipAll(folder) {
    for (const item of await readdir(folder, { withFileTypes: true })) {
        const path = join(folder, item.name);
        if (item.isDirectory()) {
            await gzipAll(path);
        } else {
            const plain = await readFile(path);
            const small = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION, memLevel: 9 });
            if (small.length < plain.length) {
                await writeFile(path + '.gz', small);
            }
        }
    }
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
const depsAt = args.indexOf('--deps');
const [depsFile, target] = depsAt < 0 ? [] : args.splice(depsAt, 3).slice(1);
const folder = args.find((word) => !word.startsWith('--'));
if (!folder || (depsAt >= 0 && !target)) {
    console.error('usage: node build.mjs OUT [--dev] [--deps FILE TARGET]');
    process.exit(2);
}

const out = resolve(folder);
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
    await writeFile(join(out, page), link(text, served));
}
const licenses = [];
for (const library of packagesOf(inputs)) {
    licenses.push(await licenseOf(library));
}
await writeFile(join(out, 'page', 'licenses.txt'), licenses.join('\n----------------\n\n'));
await gzipAll(out);
if (depsFile) {
    const made = [...pages, ...inputs].map((file) => join(here, file).replaceAll(' ', '\\ '));
    await writeFile(depsFile, `${target}: \\\n  ${made.join(' \\\n  ')}\n`);
}
