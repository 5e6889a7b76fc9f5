#include "sync/outbox.h"

#include <string.h>

#define NOTICES_MAX 4096u /* of one step; what is beyond is counted, not told */

void sync_outbox_init(sync_outbox *outbox, crdt_alloc alloc)
{
    *outbox = (sync_outbox){
        .alloc = alloc,
        .appends.item_size = sizeof(sync_append),
        .dials.item_size = sizeof(sync_dial),
        .publishes.item_size = sizeof(crdt_span),
        .requests.item_size = sizeof(sync_request),
        .replies.item_size = sizeof(sync_reply),
        .notices.item_size = sizeof(sync_notice),
    };
    crdt_arena_init(&outbox->arena, alloc);
}

static void free_list(sync_outbox *outbox, sync_outbox_list *list)
{
    crdt_free(outbox->alloc, list->items, list->capacity * list->item_size);
}

void sync_outbox_deinit(sync_outbox *outbox)
{
    free_list(outbox, &outbox->appends);
    free_list(outbox, &outbox->dials);
    free_list(outbox, &outbox->publishes);
    free_list(outbox, &outbox->requests);
    free_list(outbox, &outbox->replies);
    free_list(outbox, &outbox->notices);
    crdt_arena_deinit(&outbox->arena);
}

void sync_outbox_begin(sync_outbox *outbox)
{
    outbox->appends.count = 0;
    outbox->dials.count = 0;
    outbox->publishes.count = 0;
    outbox->requests.count = 0;
    outbox->replies.count = 0;
    outbox->notices.count = 0;
    outbox->err = CRDT_OK;
    crdt_arena_reset(&outbox->arena);
}

void sync_outbox_finish(const sync_outbox *outbox, sync_effects *effects)
{
    effects->appends = outbox->appends.items;
    effects->append_count = outbox->appends.count;
    effects->dials = outbox->dials.items;
    effects->dial_count = outbox->dials.count;
    effects->publishes = outbox->publishes.items;
    effects->publish_count = outbox->publishes.count;
    effects->requests = outbox->requests.items;
    effects->request_count = outbox->requests.count;
    effects->replies = outbox->replies.items;
    effects->reply_count = outbox->replies.count;
    effects->notices = outbox->notices.items;
    effects->notice_count = outbox->notices.count;
}

/* Room for one more item at the end; NULL if there is no memory. */
static void *push(sync_outbox *outbox, sync_outbox_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        void *items = crdt_resize_array(outbox->alloc, list->items, list->capacity,
                                        capacity, list->item_size);
        if (items == NULL) {
            outbox->err = CRDT_ENOMEM;
            return NULL;
        }
        list->items = items;
        list->capacity = capacity;
    }
    return (uint8_t *)list->items + list->count++ * list->item_size;
}

crdt_span sync_outbox_copy(sync_outbox *outbox, crdt_span bytes)
{
    uint8_t *copy = crdt_arena_alloc(&outbox->arena, bytes.size);
    if (copy == NULL) {
        outbox->err = CRDT_ENOMEM;
        return (crdt_span){0};
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (crdt_span){copy, bytes.size};
}

void sync_outbox_append(sync_outbox *outbox, sync_append_kind kind, uint64_t sequence,
                        crdt_span bytes)
{
    sync_append *item = push(outbox, &outbox->appends);
    if (item != NULL) {
        *item = (sync_append){.kind = kind, .sequence = sequence, .bytes = bytes};
    }
}

void sync_outbox_publish(sync_outbox *outbox, crdt_span bytes)
{
    crdt_span *item = push(outbox, &outbox->publishes);
    if (item != NULL) {
        *item = bytes;
    }
}

void sync_outbox_request(sync_outbox *outbox, const sync_request *request)
{
    sync_request *item = push(outbox, &outbox->requests);
    if (item != NULL) {
        *item = *request;
    }
}

void sync_outbox_reply(sync_outbox *outbox, uint64_t token, crdt_span bytes)
{
    sync_reply *item = push(outbox, &outbox->replies);
    if (item != NULL) {
        *item = (sync_reply){.token = token, .bytes = bytes};
    }
}

void sync_outbox_dial(sync_outbox *outbox, uint32_t peer, crdt_span url)
{
    sync_dial *item = push(outbox, &outbox->dials);
    if (item != NULL) {
        *item = (sync_dial){.peer = peer, .url = sync_outbox_copy(outbox, url)};
    }
}

sync_notice *sync_outbox_notice(sync_outbox *outbox, sync_notice_kind kind,
                                const crdt_actor *actor)
{
    sync_notice *item =
        outbox->notices.count < NOTICES_MAX ? push(outbox, &outbox->notices) : NULL;
    if (item == NULL) {
        item = &outbox->spare;
    }
    memset(item, 0, sizeof *item);
    item->kind = kind;
    item->actor = *actor;
    return item;
}
