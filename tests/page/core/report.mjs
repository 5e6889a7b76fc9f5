/* How a file's tests went, as tests/count.py counts them: a line for each, and for those that
 * failed all that is known. */

import path from 'node:path';

const file = process.argv[1] ?? 'page';
const suite = `${path.basename(path.dirname(file))}_${path.basename(file, '.test.mjs')}`;

/* Seeds do not make another test of it. */
function caseName(name) {
    return name.replace(/\(SEED=\d+\)|\d{5,}/g, '').trim().replace(/[^A-Za-z0-9]+/g, '_').toLowerCase();
}

function why(error) {
    const cause = error?.cause ?? error;
    return cause?.stack ?? String(cause?.message ?? cause);
}

function firstLine(error) {
    const cause = error?.cause ?? error;
    return String(cause?.message ?? cause).split('\n').filter((line) => line.trim() !== '').slice(0, 3).join(' | ').slice(0, 400);
}

export default async function* report(events) {
    for await (const { type, data } of events) {
        if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
            yield `${data.name}\n${why(data.details?.error)}\n`;
        }
        if ((type === 'test:pass' || type === 'test:fail') && data.nesting === 0) {
            const reason = type === 'test:fail' ? `: ${firstLine(data.details?.error)}` : '';
            yield `[${type === 'test:pass' ? 'PASS' : 'FAIL'}] ${suite}::${caseName(data.name)}${reason}\n`;
        } else if (type === 'test:stderr' || type === 'test:stdout') {
            yield data.message;
        }
    }
}
