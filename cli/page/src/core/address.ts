/* Which scene, with what token, as whom: from the page's address and what was kept.
 *
 *      http://HOST/?scene=0,0&name=Ana&color=%23e76f51#token=...
 *
 * The token leaves the address bar at once (it would be in every screenshot and bookmark) and
 * is kept for this tab; the share link has it in the fragment, which browsers never send. */

import { colorOf, isColor } from './wire.ts';
import type { Platform, Store } from './platform.ts';

export interface Visit {
    readonly scene: string;
    readonly token: string;
    readonly name: string;
    readonly color: string;
}

const NAME_KEY = 'scenesync/name';
const COLOR_KEY = 'scenesync/color';
const NAME_BYTES_MAX = 64;

function read(store: Store, key: string): string {
    try {
        return store.getItem(key) ?? '';
    } catch {
        return '';
    }
}

function write(store: Store, key: string, value: string): void {
    try {
        store.setItem(key, value);
    } catch {
        /* then it is not remembered */
    }
}

/* As the worker takes it: printable, at most 64 bytes. */
export function cleanName(name: string): string {
    const printable = [...name.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/\s+/g, ' ').trim()];
    while (new TextEncoder().encode(printable.join('')).length > NAME_BYTES_MAX) {
        printable.pop();
    }
    return printable.join('').trim();
}

const FIRST = ['Amber', 'Bold', 'Calm', 'Clever', 'Coral', 'Dapper', 'Eager', 'Fair', 'Gentle', 'Golden', 'Jolly',
               'Keen', 'Lively', 'Lucky', 'Mellow', 'Merry', 'Nimble', 'Plucky', 'Quick', 'Quiet', 'Rosy', 'Silver',
               'Spry', 'Sunny', 'Swift', 'Teal', 'Tidy', 'Warm', 'Wise', 'Witty'];
const SECOND = ['Badger', 'Crane', 'Curlew', 'Dormouse', 'Falcon', 'Finch', 'Fox', 'Gecko', 'Hare', 'Hedgehog', 'Heron',
                'Ibis', 'Jackdaw', 'Kestrel', 'Lark', 'Lynx', 'Marten', 'Newt', 'Otter', 'Owl', 'Plover', 'Puffin',
                'Robin', 'Seal', 'Stoat', 'Swan', 'Tern', 'Vole', 'Wren', 'Yak'];

/* A name for who has none yet. Undo and blame go by the name, so each should have an own one. */
function inventName(platform: Platform): string {
    const pick = (words: readonly string[]): string => words[Math.floor(platform.chance() * words.length)]!;
    return `${pick(FIRST)} ${pick(SECOND)}`;
}

/* Chosen in this tab: it stands before the address. */
export function rememberName(platform: Platform, name: string): void {
    write(platform.local, NAME_KEY, name);
    write(platform.session, NAME_KEY, name);
}

const tokenKeyOf = (scene: string): string => `scenesync/token/${scene}`;

/* Typed in: kept for this tab. */
export function rememberToken(platform: Platform, scene: string, token: string): void {
    write(platform.session, tokenKeyOf(scene), token);
}

/* Reads all that, remembers it, and tidies the address bar. */
export function openVisit(platform: Platform): Visit {
    const url = new URL(platform.address);
    const fragment = new URLSearchParams(url.hash.slice(1));
    const given = (key: string): string => fragment.get(key) ?? url.searchParams.get(key) ?? '';
    const scene = given('scene');
    const tokenKey = tokenKeyOf(scene);
    const token = given('token') || read(platform.session, tokenKey);
    if (given('token')) {
        write(platform.session, tokenKey, token);
    }
    let name = cleanName(read(platform.session, NAME_KEY) || given('name') || read(platform.local, NAME_KEY));
    if (name === '') {
        name = inventName(platform);
        write(platform.local, NAME_KEY, name);
    }
    const wanted = given('color') || read(platform.local, COLOR_KEY);
    const color = isColor(wanted) ? wanted : colorOf(name);
    url.searchParams.delete('token');
    for (const key of ['token', 'scene']) {
        fragment.delete(key);
    }
    if (scene !== '') {
        url.searchParams.set('scene', scene);
    }
    url.hash = fragment.toString();
    const shown = url.href.replace(/%2C/g, ',');
    if (shown !== platform.address) {
        platform.showAddress(shown);
    }
    return { scene, token, name, color };
}

/* The link for others: the scene and the token, in the fragment. */
export function shareLink(platform: Platform, scene: string, token: string): string {
    const url = new URL('/', platform.address);
    const fragment = new URLSearchParams({ scene, ...(token !== '' && { token }) });
    url.hash = fragment.toString().replace(/%2C/g, ',');
    return url.href;
}
