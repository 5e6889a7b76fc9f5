#ifndef CLI_WORKER_HUB_H
#define CLI_WORKER_HUB_H

/* The scene as renderers are to show it: a mirror of the view, in the thread of the
 * sockets.
 *
 *      oldest change                                        newest change
 *         lamp 17 ── door 40 ── floor 41 ── (tree 55, gone) ── lamp2 90
 *                          ▲                              ▲
 *                      session A                      session B
 *
 * Entities stand in the order of the revision of their last change. A session remembers
 * one revision, "all up to here is sent"; what it still has to be told is the rest of the
 * list, as it is now. So nothing queues up for a slow renderer.
 *
 * An entity that is gone stays in the list while a session holds it (shows it, or has
 * edits under way for it), so there are at most as many as renderers were sent.
 *
 * Pure: no clock, no thread, no I/O. Memory: about the scene, and its JSON text. */

#include "cli/worker/blob.h"
#include "cli/worker/news.h"

#define WORKER_TYPES_MAX 65535u /* component types ever named, here or by renderers */
#define WORKER_TYPES_SIZE_MAX                                                          \
    (4u << 20) /* bytes of their names; others are not shown */
#define WORKER_NONE UINT32_MAX

/* A component type: how the document spells it, and how it is told to renderers. */
typedef struct worker_type {
    worker_blob *part; /* name in the document */
    worker_blob *name; /* JSON text of `component`: `"Transform"`; `"Script#2"` */
    worker_blob *id;   /* JSON text of `componentId`: `1`, or as `name` */
    bool has_number;
    uint32_t number;
} worker_type;

typedef struct worker_part {
    uint32_t type; /* index in hub->types */
    worker_blob *value;
    worker_blob *author; /* NULL: nobody known */
    crdt_stamp stamp;
    worker_blob *event; /* the SetComponent for it; NULL: not made yet */
} worker_part;

typedef struct worker_entity {
    worker_blob *id;
    worker_blob *id_text; /* the id as JSON */
    worker_blob *name;    /* that the entity itself has, as JSON; NULL: none */
    uint32_t slot;
    bool live;
    bool listed; /* it is in the list of revisions */
    bool met;    /* by the news at hand */
    bool ordered;
    int64_t order;
    uint64_t revision;
    uint32_t holds; /* sessions that show it or edit it */
    struct worker_entity *older;
    struct worker_entity *newer;
    worker_part *parts;
    size_t part_count;
    size_t part_capacity;
} worker_entity;

typedef struct worker_hub worker_hub;

/* `scene`: its name, as in events' sceneId. Errors: CRDT_ENOMEM. */
crdt_err worker_hub_open(worker_hub **out, crdt_alloc alloc, crdt_span scene);
/* All sessions are closed. Accepts NULL. */
void worker_hub_close(worker_hub *hub);

/* Take in news. O(parts of the entities told). Components of too many types are left out.
 * Errors: CRDT_ENOMEM: it may hold a part of them; ask for news of everything. */
crdt_err worker_hub_take(worker_hub *hub, const worker_news *news);

crdt_alloc worker_hub_alloc(const worker_hub *hub);
crdt_span worker_hub_scene(const worker_hub *hub);
scene_format worker_hub_origin(const worker_hub *hub);
/* The revision of the newest change; 0: there was none. */
uint64_t worker_hub_revision(const worker_hub *hub);
size_t worker_hub_entity_count(const worker_hub *hub); /* live ones */
size_t worker_hub_slot_count(const worker_hub *hub);   /* slots are below this */
size_t worker_hub_gone_count(const worker_hub *hub);   /* gone ones that are held */

/* ---- entities ---- */

/* NULL: neither there nor held. O(1). */
worker_entity *worker_hub_find(const worker_hub *hub, crdt_span id);
worker_entity *worker_hub_slot(const worker_hub *hub, uint32_t slot);
/* Hold the entity of this id, made (not live) if need be. NULL: no memory. */
worker_entity *worker_hub_hold(worker_hub *hub, crdt_span id);
void worker_hub_drop(worker_hub *hub, worker_entity *entity);
/* The one after `revision` that changed longest ago; NULL: none. O(those after it). */
worker_entity *worker_hub_after(const worker_hub *hub, uint64_t revision);
/* The live entity after `last` in the order of the snapshot (NULL: the first). `last`
 * need not be live any more. O(log entities); O(n log n) after some came or went. NULL:
 * the end, or (with *err) no memory. */
worker_entity *worker_hub_next(worker_hub *hub, const worker_entity *last,
                               crdt_err *err);
/* The component, NULL: it has none of this type. O(its components). */
worker_part *worker_entity_part(const worker_entity *entity, uint32_t type);

/* ---- types ---- */

const worker_type *worker_hub_type(const worker_hub *hub, uint32_t type);
/* The number of a type by its name in the document, made if need be. WORKER_NONE: no
 * memory, or too many. */
uint32_t worker_hub_type_of(worker_hub *hub, crdt_span part);
/* What a renderer means that shows nothing of the entity: a number, or a name (a number in decimal; as shown, as `#n`; else
 * as it is). WORKER_NONE: a number that nothing has; no name for a component; too many. */
uint32_t worker_hub_type_by_number(worker_hub *hub, uint32_t number);
uint32_t worker_hub_type_by_name(worker_hub *hub, crdt_span name);
/* Was the type ever named? Makes none. */
bool worker_hub_type_known(const worker_hub *hub, crdt_span part);

/* ---- events ---- */

/* `{"sceneId":...,"payload":{"type":"SetComponent",...},"author":...,"stamp":...}`, made
 * once and shared. Data NULL: no memory. */
crdt_span worker_hub_event(worker_hub *hub, const worker_entity *entity,
                           worker_part *part);

#endif /* CLI_WORKER_HUB_H */
