/* Who hangs below whom, as it is shown. The worker tells parents with cycles and orphans
 * resolved already; for the moment between two messages, and for one's own edits on their way,
 * the same rules hold here (docs/SCENE.md): in a cycle the edge that was written last is
 * ignored, and who names a parent that is not there hangs under the root. */

import { compareStamps, compareText, member } from './json.ts';
import { findComponent, parentOf } from './names.ts';
import type { Entity, EntityId } from './types.ts';

const NOBODY: readonly EntityId[] = [];

export interface Tree {
    readonly parents: ReadonlyMap<EntityId, EntityId>; /* who is not in it is under the root */
    readonly repairs: ReadonlyMap<EntityId, 'cycle' | 'orphan'>;
    children(id: EntityId | null): readonly EntityId[];
}

/* What the entity itself names. */
export function saidParent(entity: Entity): EntityId | null {
    return parentOf(member(findComponent(entity, 'transform')?.data, 'parent'));
}

/* Was `a` written after `b`? One's own edit that is on its way is newer than anything. */
function isNewer(a: Entity, b: Entity): boolean {
    const aPart = findComponent(a, 'transform');
    const bPart = findComponent(b, 'transform');
    const order = Number(aPart?.pending ?? false) - Number(bPart?.pending ?? false) ||
                  compareStamps(aPart?.stamp, bPart?.stamp) || compareText(a.id, b.id);
    return order > 0;
}

/* Who names a parent that is there; the others are marked or under the root. */
function readParents(entities: ReadonlyMap<EntityId, Entity>,
                     repairs: Map<EntityId, 'cycle' | 'orphan'>): Map<EntityId, EntityId> {
    const parents = new Map<EntityId, EntityId>();
    for (const entity of entities.values()) {
        const parent = saidParent(entity);
        if (parent !== null && entities.has(parent)) {
            parents.set(entity.id, parent);
        } else if (parent !== null) {
            repairs.set(entity.id, 'orphan');
        }
    }
    return parents;
}

/* The entity of the cycle through `start` whose edge is ignored. */
function newestOfCycle(entities: ReadonlyMap<EntityId, Entity>, parents: ReadonlyMap<EntityId, EntityId>,
                       start: EntityId): EntityId {
    let newest = start;
    for (let at = parents.get(start)!; at !== start; at = parents.get(at)!) {
        if (isNewer(entities.get(at)!, entities.get(newest)!)) {
            newest = at;
        }
    }
    return newest;
}

/* Each entity is walked over once: those of a walk that is done are known to end at the root. */
function cutCycles(entities: ReadonlyMap<EntityId, Entity>, parents: Map<EntityId, EntityId>,
                   repairs: Map<EntityId, 'cycle' | 'orphan'>): void {
    const walkOf = new Map<EntityId, number>();
    let walk = 0;
    for (const start of [...parents.keys()]) {
        walk++;
        let at: EntityId | undefined = start;
        while (at !== undefined && !walkOf.has(at)) {
            walkOf.set(at, walk);
            at = parents.get(at);
        }
        if (at !== undefined && walkOf.get(at) === walk) {
            const cut = newestOfCycle(entities, parents, at);
            parents.delete(cut);
            repairs.set(cut, 'cycle');
        }
    }
}

/* O(entities log entities). */
export function buildTree(entities: ReadonlyMap<EntityId, Entity>): Tree {
    const repairs = new Map<EntityId, 'cycle' | 'orphan'>();
    const parents = readParents(entities, repairs);
    cutCycles(entities, parents, repairs);
    const below = new Map<EntityId | null, EntityId[]>();
    for (const entity of [...entities.values()].sort((a, b) => a.order - b.order)) {
        const parent = parents.get(entity.id) ?? null;
        const list = below.get(parent);
        if (list) {
            list.push(entity.id);
        } else {
            below.set(parent, [entity.id]);
        }
    }
    return { parents, repairs, children: (id) => below.get(id) ?? NOBODY };
}

/* The entities and all below them, each once, those above before those below. */
export function withDescendants(tree: Tree, ids: readonly EntityId[]): EntityId[] {
    const found = new Set<EntityId>();
    const todo = [...ids].reverse();
    while (todo.length > 0) {
        const id = todo.pop()!;
        if (!found.has(id)) {
            found.add(id);
            const children = tree.children(id);
            for (let i = children.length - 1; i >= 0; i--) {
                todo.push(children[i]!);
            }
        }
    }
    return [...found];
}
