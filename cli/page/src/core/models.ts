/* From what a shape says to where its file is.
 *
 * A shape names its model by a path of the scene (`src`), or by an asset of the Builder
 * (`assetId`), whose files are listed apart. Generated code spells the latter as
 * "ASSET/PATH", or "models/PATH". The worker tells both lists, with hashes (GET /v1/info),
 * and gives out what is in them. Servers compare names without looking at their case, so
 * do we.
 *
 * A model may be of several files: what it names beside itself is looked up where it was
 * listed (`beside`). */

import type { Entity, Json, ModelTable, ModelUrl } from './types.ts';

export interface Models {
    readonly url: ModelUrl;
    /* What each request for a file carries: one's token, which is in no address, so that no
     * cache on disk and no log has it. */
    readonly headers: { readonly [name: string]: string };
    /* Where the file is that the model at `url` calls `name` ("wood.png", "../a.bin"); null:
     * nobody has it. */
    beside(url: string, name: string): string | null;
}

export interface ModelsOptions {
    readonly base?: string; /* of the worker; "" is where the page is from */
    readonly token?: string;
}

/* Files that were listed together: by path in small letters. */
type Listing = ReadonlyMap<string, string>;

interface Asset {
    readonly model: string | undefined;
    readonly files: Listing;
}

/* A file as it was found. */
interface Found {
    readonly hash: string;
    readonly path: string;
    readonly files: Listing;
}

const SHAPES = new Set(['GLTFShape', 'GltfShape', 'core::GltfContainer', 'GltfContainer']);

function listing(files: { readonly [path: string]: string }): Listing {
    return new Map(Object.entries(files).map(([path, hash]) => [path.toLowerCase(), hash]));
}

/* "Wood/../a/./b.png" -> "wood/b.png"; null: it leads out. */
function plain(path: string): string | null {
    const parts: string[] = [];
    for (const part of path.toLowerCase().split('/')) {
        if (part === '..') {
            if (parts.pop() === undefined) {
                return null;
            }
        } else if (part !== '' && part !== '.') {
            parts.push(part);
        }
    }
    return parts.join('/');
}

function textOf(data: Json, key: string): string {
    const value = data !== null && typeof data === 'object' && !Array.isArray(data) ? data[key] : null;
    return typeof value === 'string' ? value : '';
}

/* The component that shows a model; a second one of its kind ("GLTFShape#2") does not. */
export function shapeOf(entity: Entity): { src: string; assetId: string } | null {
    for (const [name, component] of entity.components) {
        if (SHAPES.has(name)) {
            return { src: textOf(component.data, 'src'), assetId: textOf(component.data, 'assetId') };
        }
    }
    return null;
}

class Table {
    private readonly assets = new Map<string, Asset>();
    private readonly files: Listing;
    /* Of each file that some asset has, one who has it. */
    private readonly owners = new Map<string, Asset>();

    constructor(table: ModelTable) {
        this.files = listing(table.files);
        for (const [id, { model, files }] of Object.entries(table.assets)) {
            const asset = { model, files: listing(files) };
            this.assets.set(id, asset);
            for (const path of asset.files.keys()) {
                this.owners.set(path, asset);
            }
        }
    }

    private static at(files: Listing | undefined, name: string | undefined): Found | null {
        const path = name === undefined ? null : plain(name);
        const hash = path === null ? undefined : files?.get(path);
        return path === null || files === undefined || hash === undefined ? null : { hash, path, files };
    }

    private ofAsset(asset: Asset | undefined): Found | null {
        return asset === undefined ? null : Table.at(asset.files, asset.model);
    }

    private ofSource(src: string): Found | null {
        const slash = src.indexOf('/');
        const folder = src.slice(0, Math.max(slash, 0));
        const rest = src.slice(slash + 1);
        const owner = folder.toLowerCase() === 'models' ? this.owners.get(rest.toLowerCase()) : undefined;
        return Table.at(this.files, src)
            ?? Table.at(this.assets.get(folder)?.files, rest)
            ?? Table.at(owner?.files, rest);
    }

    find(src: string, assetId: string): Found | null {
        return (src === '' ? null : this.ofSource(src)) ?? this.ofAsset(this.assets.get(assetId));
    }

    static beside(found: Found, name: string): Found | null {
        const folder = found.path.slice(0, found.path.lastIndexOf('/') + 1);
        return Table.at(found.files, folder + name);
    }
}

function decoded(name: string): string {
    try {
        return decodeURIComponent(name);
    } catch {
        return name; /* it is no URL, then it is a name */
    }
}

export function openModels(table: ModelTable, options: ModelsOptions = {}): Models {
    const known = new Table(table);
    const given = new Map<string, Found>();
    const address = (found: Found): string => {
        const url = `${options.base ?? ''}/v1/contents/${found.hash}`;
        given.set(url, found);
        return url;
    };
    return {
        headers: options.token ? { Authorization: `Bearer ${options.token}` } : {},
        url(entity) {
            const shape = shapeOf(entity);
            const found = shape === null ? null : known.find(shape.src, shape.assetId);
            return found === null ? null : address(found);
        },
        beside(url, name) {
            const model = given.get(url);
            const found = model === undefined ? null
                : Table.beside(model, name) ?? Table.beside(model, decoded(name));
            return found === null ? null : address(found);
        },
    };
}
