/* The rows of the outliner: the scene's tree as a flat list, as far as it is open. */
import type { EntityId, Scene } from '../core/types.ts';

export interface Row {
    readonly id: EntityId;
    readonly depth: number;
    readonly open: boolean;
    readonly children: number;
    readonly position: number; /* from 1, among its siblings that are shown */
    readonly siblings: number;
    readonly matches: boolean; /* of the search; true without one */
}

/* Depth is others' doing: no recursion. O(entities). */
export function flatten(scene: Scene, closed: ReadonlySet<EntityId>, search: string): readonly Row[] {
    const wanted = search.trim().toLowerCase();
    const shown = wanted === '' ? null : found(scene, wanted);
    const rows: Row[] = [];
    const siblingsOf = (id: EntityId | null): readonly EntityId[] => {
        const all = scene.children(id);
        return shown ? all.filter((child) => shown.has(child)) : all;
    };
    const stack: { ids: readonly EntityId[]; next: number }[] = [{ ids: siblingsOf(null), next: 0 }];
    while (stack.length > 0) {
        const level = stack[stack.length - 1]!;
        const id = level.ids[level.next++];
        if (id === undefined) {
            stack.pop();
            continue;
        }
        const below = siblingsOf(id);
        const open = below.length > 0 && (shown !== null || !closed.has(id));
        rows.push({
            id,
            depth: stack.length - 1,
            open,
            children: below.length,
            position: level.next,
            siblings: level.ids.length,
            matches: shown?.get(id) ?? true,
        });
        if (open) {
            stack.push({ ids: below, next: 0 });
        }
    }
    return rows;
}

/* What the search finds (true), and what is above it (false). */
function found(scene: Scene, wanted: string): Map<EntityId, boolean> {
    const shown = new Map<EntityId, boolean>();
    for (const [id, entity] of scene.entities) {
        const hit =
            scene.label(id).toLowerCase().includes(wanted) ||
            id.toLowerCase() === wanted ||
            (wanted.length > 2 && [...entity.components.keys()].some((name) => name.toLowerCase().includes(wanted)));
        if (!hit) {
            continue;
        }
        shown.set(id, true);
        for (let above = scene.parent(id); above !== null && !shown.has(above); above = scene.parent(above)) {
            shown.set(above, false);
        }
    }
    return shown;
}

/* All that must be open so that `id` has a row. */
export function ancestors(scene: Scene, id: EntityId): readonly EntityId[] {
    const above: EntityId[] = [];
    for (let at = scene.parent(id); at !== null && above.length < scene.entities.size; at = scene.parent(at)) {
        above.push(at);
    }
    return above;
}

/* Whether `id` is `top` or below it. */
export function isWithin(scene: Scene, id: EntityId | null, top: EntityId): boolean {
    let steps = 0;
    for (let at = id; at !== null && steps <= scene.entities.size; at = scene.parent(at)) {
        if (at === top) {
            return true;
        }
        steps++;
    }
    return false;
}

/* Of a selection those that have nobody above them in it: what is done to them is done to all. */
export function topmost(scene: Scene, ids: readonly EntityId[]): readonly EntityId[] {
    const chosen = new Set(ids);
    return ids.filter((id) => !ancestors(scene, id).some((above) => chosen.has(above)));
}
