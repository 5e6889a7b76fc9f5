/* The worker's HTTP calls. Each rejects with an Error whose message is for people. */

import { isObject, listOf, member, numberOf, parse, textOf } from './json.ts';
import { errorText } from './link.ts';
import type { Answer, Platform } from './platform.ts';
import type { HistoryEntry, Json, JsonObject, ModelTable, Prepared, SceneInfo, Stamp } from './types.ts';

const HISTORY_LIMIT = 50;

/* It may be done all the same. */
export class Unanswered extends Error {}

export class Calls {
    constructor(private readonly platform: Platform, private readonly token: string) {}

    /* As it comes; rejects only where the worker does not answer. */
    ask(method: 'GET' | 'POST', path: string, body?: Json): Promise<Answer> {
        const headers: Record<string, string> = {};
        if (this.token !== '') {
            headers['Authorization'] = `Bearer ${this.token}`;
        }
        if (body !== undefined) {
            headers['Content-Type'] = 'application/json';
        }
        return this.platform.fetch(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
    }

    private async call(method: 'GET' | 'POST', path: string, body?: Json): Promise<JsonObject> {
        let answer: Answer;
        try {
            answer = await this.ask(method, path, body);
        } catch {
            throw new Unanswered('the worker does not answer');
        }
        const said = parse(answer.text);
        if (answer.status >= 400 || !isObject(said) || member(said, 'ok') === false) {
            throw new Error(errorText(answer));
        }
        return said;
    }

    status(): Promise<JsonObject> {
        return this.call('GET', '/v1/status');
    }
    save(force: boolean): Promise<JsonObject> {
        return this.call('POST', force ? '/v1/save?force=true' : '/v1/save');
    }
    async play(): Promise<void> {
        await this.call('POST', '/v1/play');
    }
    async stop(): Promise<void> {
        await this.call('POST', '/v1/stop');
    }
    async prepare(): Promise<Prepared> {
        return preparedOf(await this.call('POST', '/v1/publish', {}));
    }
    async confirm(id: string, authChain?: Json, asPrepared?: boolean): Promise<void> {
        await this.call('POST', '/v1/publish', { confirm: id, ...(authChain !== undefined && { authChain }),
                                                 ...(asPrepared !== undefined && { asPrepared }) });
    }
    async history(before?: Stamp): Promise<{ entries: readonly HistoryEntry[]; complete: boolean }> {
        const query = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
        const said = await this.call('GET', `/v1/history?limit=${HISTORY_LIMIT}${query}`);
        const entries = listOf(said, 'entries').map(entryOf).filter((entry) => entry !== undefined);
        return { entries, complete: member(said, 'complete') !== false };
    }
    info(): Promise<JsonObject> {
        return this.call('GET', '/v1/info');
    }
    /* What the scene's kernel does with it, and what went wrong last. */
    async kernel(): Promise<{ state: string; trouble: string | undefined }> {
        const kernel = member(await this.call('GET', '/v1/kernel'), 'kernel');
        return { state: textOf(kernel, 'state') ?? '', trouble: textOf(kernel, 'trouble') };
    }
}

/* ---- what they say ---- */

function textsOf(value: Json | undefined, key: string): string[] {
    return listOf(value, key).map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
}

function preparedOf(said: JsonObject): Prepared {
    const prepared = member(said, 'prepared') ?? said;
    const id = textOf(prepared, 'id');
    if (id === undefined) {
        throw new Error('the worker prepared nothing');
    }
    const expires = numberOf(prepared, 'expires');
    const sign = textOf(prepared, 'sign');
    return {
        id, entityId: textOf(prepared, 'entityId') ?? '', pointers: textsOf(prepared, 'pointers'),
        files: listOf(prepared, 'files').map((file) => ({ file: textOf(file, 'file') ?? '', hash: textOf(file, 'hash') ?? '',
                                                          size: numberOf(file, 'size') ?? 0 })),
        size: numberOf(prepared, 'size') ?? 0,
        missing: listOf(prepared, 'missing').map((one) => `${textOf(one, 'file') ?? ''}: ${textOf(one, 'why') ?? 'nobody has it'}`),
        unsigned: member(said, 'unsigned') === true, warnings: textsOf(prepared, 'warnings'),
        ...(expires !== undefined && { expires }), ...(sign !== undefined && { sign }),
    };
}

const ORIGINS: readonly string[] = ['edit', 'undo', 'redo', 'import', 'housekeeping', 'remote', 'answer'];
const WHATS: readonly string[] = ['add', 'remove', 'set', 'unset'];

function changeOf(value: Json): HistoryEntry['changes'][number] {
    const component = textOf(value, 'component');
    const field = textOf(value, 'field');
    const what = textOf(value, 'what') ?? '';
    return {
        entity: textOf(value, 'entity') ?? '',
        ...(component !== undefined && { component }), ...(field !== undefined && { field }),
        what: (WHATS.includes(what) ? what : 'set') as HistoryEntry['changes'][number]['what'],
    };
}

function entryOf(value: Json): HistoryEntry | undefined {
    const stamp = textOf(value, 'stamp');
    const origin = textOf(value, 'origin') ?? '';
    const step = textOf(value, 'step');
    return stamp === undefined ? undefined : {
        stamp, at: numberOf(value, 'at') ?? 0, who: textOf(value, 'who') ?? '',
        origin: (ORIGINS.includes(origin) ? origin : 'remote') as HistoryEntry['origin'],
        ...(step !== undefined && { step }),
        changes: listOf(value, 'changes').map(changeOf), more: numberOf(value, 'more') ?? 0,
    };
}

function parcelOf(value: Json | undefined): { x: number; y: number } | undefined {
    const x = numberOf(value, 'x');
    const y = numberOf(value, 'y');
    return Number.isSafeInteger(x) && Number.isSafeInteger(y) ? { x: x!, y: y! } : undefined;
}

/* Files by path: names and hashes, which models.ts looks into. */
function filesOf(value: Json | undefined): { [path: string]: string } {
    const entries = isObject(value) ? Object.entries(value) : [];
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function modelsOf(value: Json | undefined): ModelTable {
    const assets = member(value, 'assets');
    const entries = isObject(assets) ? Object.entries(assets) : [];
    return {
        assets: Object.fromEntries(entries.map(([id, asset]) => {
            const model = textOf(asset, 'model');
            return [id, { ...(model !== undefined && { model }), files: filesOf(member(asset, 'files')) }];
        })),
        files: filesOf(member(value, 'files')),
    };
}

const PARCELS_MAX = 4096;

/* At least one parcel, whatever was said. `scene`: "0,0". */
export function infoOf(said: Json | undefined, scene: string): SceneInfo {
    const [x = 0, y = 0] = scene.split(',').map(Number).filter(Number.isSafeInteger);
    const parcels = listOf(said, 'parcels').slice(0, PARCELS_MAX).map(parcelOf).filter((parcel) => parcel !== undefined);
    const base = parcelOf(member(said, 'base')) ?? parcels[0] ?? { x, y };
    const title = textOf(said, 'title');
    return {
        ...(title && { title }), parcels: parcels.length > 0 ? parcels : [base], base,
        canPlay: member(said, 'canPlay') === true, canSave: member(said, 'canSave') === true,
        canPublish: member(said, 'canPublish') === true,
        models: modelsOf(member(said, 'models')),
    };
}
