#include "cli/worker/news.h"

void worker_news_init(worker_news *news, crdt_alloc alloc)
{
    *news = (worker_news){.everything = false};
    crdt_arena_init(&news->arena, alloc);
}

void worker_news_deinit(worker_news *news)
{
    crdt_alloc alloc = news->arena.alloc;
    crdt_free(alloc, news->entities, news->entity_capacity * sizeof *news->entities);
    crdt_arena_deinit(&news->arena);
    *news = (worker_news){.everything = false};
}

worker_news_entity *worker_news_add(worker_news *news)
{
    if (news->entity_count == news->entity_capacity) {
        size_t capacity = news->entity_capacity == 0 ? 16 : news->entity_capacity * 2;
        worker_news_entity *entities =
            crdt_resize_array(news->arena.alloc, news->entities, news->entity_capacity,
                              capacity, sizeof *entities);
        if (entities == NULL) {
            return NULL;
        }
        news->entities = entities;
        news->entity_capacity = capacity;
    }
    worker_news_entity *entity = &news->entities[news->entity_count++];
    *entity = (worker_news_entity){.live = false};
    return entity;
}

bool worker_news_copy(worker_news *news, crdt_span bytes, crdt_span *copy)
{
    uint8_t *data = crdt_arena_alloc(&news->arena, bytes.size);
    if (data == NULL) {
        return false;
    }
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    *copy = (crdt_span){data, bytes.size};
    return true;
}
