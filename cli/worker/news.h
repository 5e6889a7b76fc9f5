#ifndef CLI_WORKER_NEWS_H
#define CLI_WORKER_NEWS_H

/* What changed in the scene, on its way from the node's thread to that of the renderers:
 * whole entities as they are shown now.
 *
 *   view (node's thread) ── news ──▶ hub (thread of the sockets)
 *
 * Memory: all in one arena, freed at once. */

#include "crdt/stamp.h"
#include "scene/layout.h"

/* A component as it is shown. */
typedef struct worker_news_part {
    crdt_span part;   /* its name in the document (scene/layout.h) */
    crdt_span value;  /* canonical; parents resolved */
    crdt_stamp stamp; /* the greatest of what it shows; time 0: of nothing */
    crdt_span author; /* who wrote at that stamp; may be empty */
} worker_news_part;

typedef struct worker_news_entity {
    crdt_span id;
    crdt_span name; /* that the entity itself has (a Builder's); UTF-8, may be empty */
    bool live;      /* else it is gone, and there are no parts */
    bool ordered;
    int64_t order;           /* its place in the scene, if ordered */
    worker_news_part *parts; /* in their order */
    size_t part_count;
} worker_news_entity;

typedef struct worker_news {
    crdt_arena arena;
    bool everything; /* what is not told of is gone */
    scene_format origin;
    worker_news_entity *entities;
    size_t entity_count;
    size_t entity_capacity;
} worker_news;

void worker_news_init(worker_news *news, crdt_alloc alloc);
void worker_news_deinit(worker_news *news);

/* One more entity; its members are to be filled. NULL: no memory. */
worker_news_entity *worker_news_add(worker_news *news);
/* A copy in the arena; false: no memory. */
bool worker_news_copy(worker_news *news, crdt_span bytes, crdt_span *copy);

#endif /* CLI_WORKER_NEWS_H */
