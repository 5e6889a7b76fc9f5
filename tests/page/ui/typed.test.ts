/* What people type: numbers with sums, JSON with its faults at their place. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readNumber, writeNumber } from '../../../cli/page/src/ui/arithmetic.ts';
import { readJson, writeJson } from '../../../cli/page/src/ui/json_text.ts';

test('numbers and sums', () => {
    const cases: [string, number, number][] = [
        ['2.5', 0, 2.5], [' -3 ', 0, -3], ['.5', 0, 0.5], ['1e3', 0, 1000], ['2,5', 0, 2.5],
        ['3/4+1', 0, 1.75], ['2*(3+4)', 0, 14], ['--1', 0, 1], ['-(2)', 0, -2],
        ['+=0.5', 2, 2.5], ['-=1', 2, 1], ['*=2', 3, 6], ['/=4', 3, 0.75], ['+= 1 + 1', 1, 3],
    ];
    for (const [text, old, wanted] of cases) {
        assert.equal(readNumber(text)?.(old), wanted, text);
    }
});

test('what is no number says so', () => {
    for (const text of ['', 'up', '1 2', '2+', '(1', '1)', '1/0', '/=0', '+=', 'Infinity', 'NaN', '0x10', 'process', '1;2', '9'.repeat(101), '('.repeat(50)]) {
        assert.equal(readNumber(text), null, text);
    }
});

test('as few digits as tell it', () => {
    const cases: [number, string][] = [[0, '0'], [-0, '0'], [1, '1'], [0.1 + 0.2, '0.3'], [57.2919, '57.292'], [1e-7, '1e-7'], [-0.00001, '-0.00001'], [1e21, '1e+21'], [NaN, '']];
    for (const [value, text] of cases) {
        assert.equal(writeNumber(value), text);
    }
});

test('JSON and where it is wrong', () => {
    for (const value of [null, true, 0, -1.5e-3, '', 'a"b\\\u00e9', [], {}, { a: [1, { b: null }] }]) {
        assert.deepEqual(readJson(writeJson(value)), { value });
    }
    const faults: [string, number, number, RegExp][] = [
        ['', 1, 1, /ends/],
        ['{"a":1,}', 1, 8, /comma/],
        ['{"a" 1}', 1, 6, /colon/],
        ['{a:1}', 1, 2, /quotes/],
        ['[1\n 2]', 2, 2, /comma/],
        ['{"a":\n  tru}', 2, 3, /“tru” needs quotes/],
        ['"abc', 1, 1, /closing/],
        ['"a\\x"', 1, 3, /backslash/],
        ['01', 1, 2, /number/],
        ['1e999', 1, 1, /number/],
        ['{} x', 1, 4, /more/],
        ['"\t"', 1, 2, /control/],
    ];
    for (const [text, line, column, says] of faults) {
        const read = readJson(text);
        assert.ok('fault' in read, text);
        assert.deepEqual([read.fault.line, read.fault.column], [line, column], `${text}: ${read.fault.text}`);
        assert.match(read.fault.text, says);
    }
});

/* The text is the page's to judge before JSON.parse does: what one takes, the other takes. */
test('takes what JSON.parse takes, and nothing else', () => {
    const pieces = ['{', '}', '[', ']', ',', ':', '"a"', '"', '1', '-', '.5', 'e3', 'true', 'null', 'nul', ' ', '\n', '\\', '\u00a0'];
    let state = 0x9e3779b9;
    const next = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
    };
    for (let i = 0; i < 20000; i++) {
        const text = Array.from({ length: 1 + next(8) }, () => pieces[next(pieces.length)]).join('');
        let taken = true;
        try {
            JSON.parse(text);
        } catch {
            taken = false;
        }
        assert.equal('value' in readJson(text), taken, JSON.stringify(text));
    }
});

test('depth and size are bounded', () => {
    const deep = readJson('['.repeat(200) + ']'.repeat(200));
    assert.ok('fault' in deep && /levels/.test(deep.fault.text));
    assert.ok('fault' in readJson(' '.repeat(600 * 1024)));
});
