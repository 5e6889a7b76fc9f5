#include "scene/tree.h"

#include "crdt/mutant.h"

#include "scene/array.h"
#include "scene/id_map.h"
#include "scene/scene.h"

#include <assert.h>
#include <string.h>

#define NONE SCENE_ID_NONE

/* An id that lives, or that some live entity names as its parent, or both. The latter
 * are its `children`, as the state says it, not as shown. */
typedef struct node {
    crdt_span id; /* owned; data NULL: this node is free, next_sibling the next free */
    crdt_stamp stamp;
    uint32_t parent; /* the node it names, NONE: the root */
    uint32_t first_child;
    uint32_t previous_sibling;
    uint32_t next_sibling;
    scene_repair repair;
    bool live;
} node;

struct scene_tree {
    crdt_alloc alloc;
    scene_id_map map;
    node *nodes;
    size_t node_count; /* free ones included */
    size_t node_capacity;
    uint32_t free;
    size_t live_count;
    size_t orphan_count;
    size_t cycle_count;

    /* During an update. */
    bool has_parents; /* some entity may name a parent */
    bool at_once;     /* walks are left out: everything is resolved at the end */
    size_t steps;
    size_t step_max;
    void (*moved)(void *ctx, crdt_span entity);
    void *moved_ctx;
};

static crdt_span node_id(const void *ctx, uint32_t number)
{
    const scene_tree *tree = ctx;
    return tree->nodes[number].id;
}

crdt_err scene_tree_open(scene_tree **out, crdt_alloc alloc)
{
    scene_tree *tree = crdt_allocate(alloc, sizeof *tree);
    if (tree == NULL) {
        return CRDT_ENOMEM;
    }
    *tree = (scene_tree){.alloc = alloc, .free = NONE};
    scene_id_map_init(&tree->map, alloc, node_id);
    *out = tree;
    return CRDT_OK;
}

static void clear(scene_tree *tree)
{
    for (size_t i = 0; i < tree->node_count; i++) {
        if (tree->nodes[i].id.data != NULL) {
            scene_id_free(tree->alloc, &tree->nodes[i].id);
        }
    }
    scene_id_map_clear(&tree->map);
    tree->node_count = 0;
    tree->free = NONE;
    tree->live_count = 0;
    tree->orphan_count = 0;
    tree->cycle_count = 0;
}

void scene_tree_close(scene_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    clear(tree);
    scene_id_map_deinit(&tree->map);
    crdt_free(tree->alloc, tree->nodes, tree->node_capacity * sizeof *tree->nodes);
    crdt_free(tree->alloc, tree, sizeof *tree);
}

/* ---- nodes ---- */

static crdt_err reserve_node(scene_tree *tree)
{
    if (tree->free != NONE) {
        return CRDT_OK;
    }
    node *nodes = scene_array_grow(tree->alloc, tree->nodes, tree->node_count,
                                   &tree->node_capacity, sizeof *nodes);
    if (nodes == NULL) {
        return CRDT_ENOMEM;
    }
    tree->nodes = nodes;
    return CRDT_OK;
}

/* The node of an id, made if need be (neither live nor with children). */
static crdt_err find_or_make_node(scene_tree *tree, crdt_span id, uint32_t *number)
{
    *number = scene_id_map_find(&tree->map, tree, id);
    if (*number != NONE) {
        return CRDT_OK;
    }
    if (reserve_node(tree) != CRDT_OK || scene_id_map_reserve(&tree->map) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    crdt_span copy;
    if (scene_id_copy(tree->alloc, id, &copy) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (tree->free != NONE) {
        *number = tree->free;
        tree->free = tree->nodes[*number].next_sibling;
    } else {
        *number = (uint32_t)tree->node_count++;
    }
    tree->nodes[*number] = (node){.id = copy,
                                  .parent = NONE,
                                  .first_child = NONE,
                                  .previous_sibling = NONE,
                                  .next_sibling = NONE};
    scene_id_map_insert(&tree->map, id, *number);
    return CRDT_OK;
}

static void drop_unused_node(scene_tree *tree, uint32_t number)
{
    node *n = &tree->nodes[number];
    if (n->live || n->first_child != NONE) {
        return;
    }
    assert(n->parent == NONE);
    scene_id_map_remove(&tree->map, tree, n->id);
    scene_id_free(tree->alloc, &n->id);
    n->next_sibling = tree->free;
    tree->free = number;
}

static void link_child(scene_tree *tree, uint32_t parent, uint32_t child)
{
    node *p = &tree->nodes[parent];
    node *c = &tree->nodes[child];
    c->parent = parent;
    c->previous_sibling = NONE;
    c->next_sibling = p->first_child;
    if (p->first_child != NONE) {
        tree->nodes[p->first_child].previous_sibling = child;
    }
    p->first_child = child;
}

static void unlink_child(scene_tree *tree, uint32_t child)
{
    node *c = &tree->nodes[child];
    if (c->previous_sibling == NONE) {
        tree->nodes[c->parent].first_child = c->next_sibling;
    } else {
        tree->nodes[c->previous_sibling].next_sibling = c->next_sibling;
    }
    if (c->next_sibling != NONE && !MUTANT(24)) {
        tree->nodes[c->next_sibling].previous_sibling = c->previous_sibling;
    }
    c->parent = NONE;
    c->previous_sibling = NONE;
    c->next_sibling = NONE;
}

/* ---- repairs ---- */

static void set_repair(scene_tree *tree, uint32_t number, scene_repair repair)
{
    node *n = &tree->nodes[number];
    if (n->repair == repair) {
        return;
    }
    tree->orphan_count -= n->repair == SCENE_REPAIR_ORPHAN;
    tree->cycle_count -= n->repair == SCENE_REPAIR_CYCLE;
    tree->orphan_count += repair == SCENE_REPAIR_ORPHAN;
    tree->cycle_count += repair == SCENE_REPAIR_CYCLE;
    n->repair = repair;
    if (tree->moved != NULL) {
        tree->moved(tree->moved_ctx, n->id);
    }
}

static bool step(scene_tree *tree)
{
    if (tree->steps++ >= tree->step_max) {
        tree->at_once = true;
    }
    return !tree->at_once;
}

/* Does `at` hang below `end`, by what the state says? No further than a root, an orphan
 * or an entity hidden in a cycle of others. */
static bool leads_to(scene_tree *tree, uint32_t at, uint32_t end)
{
    while (at != end) {
        const node *n = &tree->nodes[at];
        if (n->parent == NONE || n->repair != SCENE_REPAIR_NONE || !step(tree)) {
            return false;
        }
        at = n->parent;
    }
    return true;
}

/* The edge of `number` goes: a cycle through it is one no more. */
static void open_cycle(scene_tree *tree, uint32_t number)
{
    if (tree->cycle_count == 0 || tree->at_once || MUTANT(403)) {
        return;
    }
    if (tree->nodes[number].repair == SCENE_REPAIR_CYCLE) {
        set_repair(tree, number, SCENE_REPAIR_NONE);
        return;
    }
    /* Walk up to the hidden edge, and see whether it closes a cycle with `number`. */
    uint32_t at = tree->nodes[number].parent;
    while (tree->nodes[at].repair != SCENE_REPAIR_CYCLE) {
        const node *n = &tree->nodes[at];
        if (n->parent == NONE || n->repair == SCENE_REPAIR_ORPHAN || !step(tree)) {
            return;
        }
        at = n->parent;
    }
    uint32_t hidden = at;
    for (at = tree->nodes[hidden].parent; at != number; at = tree->nodes[at].parent) {
        if (at == hidden || !step(tree)) {
            return; /* the cycle does not go through `number` */
        }
    }
    set_repair(tree, hidden, SCENE_REPAIR_NONE);
}

/* An edge from `number` was made: if it closes a cycle, hide the newest edge of it. */
static void close_cycle(scene_tree *tree, uint32_t number)
{
    if (MUTANT(36) || tree->at_once ||
        !leads_to(tree, tree->nodes[number].parent, number)) {
        return;
    }
    uint32_t newest = number;
    for (uint32_t at = tree->nodes[number].parent; at != number;
         at = tree->nodes[at].parent) {
        if (crdt_stamp_compare(&tree->nodes[at].stamp, &tree->nodes[newest].stamp) >
                0 &&
            !MUTANT(402)) {
            newest = at;
        }
    }
    set_repair(tree, newest, SCENE_REPAIR_CYCLE);
}

/* ---- changes of one entity ---- */

/* Returns the node it named (it may be of no use any more), NONE if none. */
static uint32_t cut_edge(scene_tree *tree, uint32_t number)
{
    uint32_t parent = tree->nodes[number].parent;
    if (parent != NONE) {
        if (tree->nodes[parent].live) {
            open_cycle(tree, number);
        }
        set_repair(tree, number, SCENE_REPAIR_NONE);
        unlink_child(tree, number);
    }
    return parent;
}

static void make_edge(scene_tree *tree, uint32_t number, uint32_t parent)
{
    link_child(tree, parent, number);
    if (tree->nodes[parent].live) {
        close_cycle(tree, number);
    } else {
        set_repair(tree, number, SCENE_REPAIR_ORPHAN);
    }
}

/* Come or go; the node has no edge of its own meanwhile, so no cycle depends on it. */
static void set_live(scene_tree *tree, uint32_t number, bool live)
{
    tree->nodes[number].live = live;
    tree->live_count += live ? 1 : (size_t)-1;
    for (uint32_t at = tree->nodes[number].first_child; at != NONE;
         at = tree->nodes[at].next_sibling) {
        set_repair(tree, at,
                   live || MUTANT(401) ? SCENE_REPAIR_NONE : SCENE_REPAIR_ORPHAN);
    }
}

static bool same_edge(const scene_tree *tree, const node *n, const scene_parent *parent)
{
    if (!parent->named || n->parent == NONE) {
        return !parent->named && n->parent == NONE;
    }
    return (crdt_stamp_compare(&n->stamp, &parent->stamp) == 0 || MUTANT(404)) &&
           crdt_span_equal(tree->nodes[n->parent].id, parent->id);
}

/* What can fail comes first; a node made for nothing goes again. */
static crdt_err change_entity(scene_tree *tree, crdt_span id, bool live,
                              const scene_parent *parent)
{
    uint32_t number;
    crdt_err err = find_or_make_node(tree, id, &number);
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t named = NONE;
    if (parent->named) {
        err = find_or_make_node(tree, parent->id, &named);
        if (err != CRDT_OK) {
            drop_unused_node(tree, number);
            return err;
        }
    }
    if (tree->moved != NULL) {
        tree->moved(tree->moved_ctx, tree->nodes[number].id);
    }
    uint32_t former = cut_edge(tree, number);
    if (tree->nodes[number].live != live) {
        set_live(tree, number, live);
    }
    tree->nodes[number].stamp = parent->stamp;
    if (named != NONE) {
        make_edge(tree, number, named);
    }
    if (former != NONE && former != number) {
        drop_unused_node(tree, former);
    }
    drop_unused_node(tree, number);
    return CRDT_OK;
}

/* `object`: the one of this id, {0}: there is none. */
static crdt_err update_entity(scene_tree *tree, const crdt_document *doc, crdt_span id,
                              crdt_object object)
{
    if (!scene_layout_is_entity(id)) {
        return CRDT_OK;
    }
    bool live = object.id != 0 && crdt_document_object_live(doc, object);
    scene_parent parent = {0};
    if (live && tree->has_parents) {
        scene_entity_parent(doc, object, &parent);
    }
    uint32_t number = scene_id_map_find(&tree->map, tree, id);
    if (number == NONE && !live) {
        return CRDT_OK;
    }
    if (number != NONE && tree->nodes[number].live == live &&
        same_edge(tree, &tree->nodes[number], &parent)) {
        return CRDT_OK;
    }
    return change_entity(tree, id, live, &parent);
}

/* ---- the whole ---- */

static crdt_err resolve_all(scene_tree *tree)
{
    size_t count = tree->node_count;
    if (count == 0) {
        return CRDT_OK;
    }
    size_t size = sizeof(scene_edge) + sizeof(scene_repair) + sizeof(uint32_t);
    scene_edge *edges = crdt_resize_array(tree->alloc, NULL, 0, count, size);
    if (edges == NULL) {
        return CRDT_ENOMEM;
    }
    scene_repair *repairs = (scene_repair *)(edges + count);
    uint32_t *mark = (uint32_t *)(repairs + count);
    for (size_t i = 0; i < count; i++) {
        const node *n = &tree->nodes[i];
        uint32_t parent = SCENE_RESOLVE_ROOT;
        if (n->id.data != NULL && n->parent != NONE) {
            parent = tree->nodes[n->parent].live ? n->parent : SCENE_RESOLVE_MISSING;
        }
        edges[i] = (scene_edge){parent, n->stamp};
    }
    scene_resolve(edges, count, repairs, mark);
    for (uint32_t i = 0; i < count; i++) {
        if (tree->nodes[i].id.data != NULL) {
            set_repair(tree, i, repairs[i]);
        }
    }
    crdt_free(tree->alloc, edges, count * size);
    return CRDT_OK;
}

static void begin(scene_tree *tree, const crdt_document *doc, bool at_once,
                  void (*moved)(void *ctx, crdt_span entity), void *ctx)
{
    tree->has_parents = scene_names_parents(doc);
    tree->at_once = at_once;
    tree->steps = 0;
    tree->step_max = tree->node_count + 256;
    tree->moved = moved;
    tree->moved_ctx = ctx;
}

static crdt_err end(scene_tree *tree, crdt_err err)
{
    if (err == CRDT_OK && tree->at_once) {
        err = resolve_all(tree);
    }
    tree->moved = NULL;
    tree->moved_ctx = NULL;
    return err;
}

crdt_err scene_tree_build(scene_tree *tree, const crdt_document *doc)
{
    clear(tree);
    begin(tree, doc, true, NULL, NULL);
    crdt_err err = CRDT_OK;
    crdt_object object = {0};
    while (err == CRDT_OK && scene_entity_next(doc, &object)) {
        err = update_entity(tree, doc, crdt_document_object_name(doc, object), object);
    }
    err = end(tree, err);
    if (err != CRDT_OK) {
        clear(tree);
    }
    return err;
}

crdt_err scene_tree_update(scene_tree *tree, const crdt_document *doc,
                           const crdt_span *entities, size_t count,
                           void (*moved)(void *ctx, crdt_span entity), void *ctx)
{
    begin(tree, doc, false, moved, ctx);
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        err = update_entity(tree, doc, entities[i],
                            crdt_document_find_object(doc, entities[i]));
    }
    return end(tree, err);
}

/* ---- reading ---- */

static void fill_place(const scene_tree *tree, const node *n, scene_place *place)
{
    *place = (scene_place){.id = n->id, .under_root = true, .repair = n->repair};
    if (n->parent == NONE) {
        return;
    }
    crdt_span parent = tree->nodes[n->parent].id;
    if (n->repair == SCENE_REPAIR_NONE) {
        place->under_root = false;
        place->parent = parent;
    } else {
        place->wanted = parent;
    }
}

bool scene_tree_find(const scene_tree *tree, crdt_span entity, scene_place *place)
{
    uint32_t number = scene_id_map_find(&tree->map, tree, entity);
    if (number == NONE || !tree->nodes[number].live) {
        return false;
    }
    fill_place(tree, &tree->nodes[number], place);
    return true;
}

bool scene_tree_next(const scene_tree *tree, size_t *index, scene_place *place)
{
    while (*index < tree->node_count) {
        const node *n = &tree->nodes[(*index)++];
        if (n->id.data != NULL && n->live) {
            fill_place(tree, n, place);
            return true;
        }
    }
    return false;
}

size_t scene_tree_count(const scene_tree *tree)
{
    return tree->live_count;
}

size_t scene_tree_repair_count(const scene_tree *tree)
{
    return tree->orphan_count + tree->cycle_count;
}

static bool same_place(const scene_place *a, const scene_place *b)
{
    return a->under_root == b->under_root && a->repair == b->repair &&
           crdt_span_equal(a->parent, b->parent) &&
           crdt_span_equal(a->wanted, b->wanted);
}

bool scene_tree_check(const scene_tree *tree, const crdt_document *doc)
{
    scene_tree *fresh = NULL;
    bool same = scene_tree_open(&fresh, tree->alloc) == CRDT_OK &&
                scene_tree_build(fresh, doc) == CRDT_OK &&
                fresh->live_count == tree->live_count &&
                fresh->map.count == tree->map.count &&
                fresh->orphan_count == tree->orphan_count &&
                fresh->cycle_count == tree->cycle_count;
    size_t index = 0;
    scene_place place;
    while (same && scene_tree_next(fresh, &index, &place)) {
        scene_place kept;
        same = scene_tree_find(tree, place.id, &kept) && same_place(&place, &kept);
    }
    scene_tree_close(fresh);
    return same;
}
