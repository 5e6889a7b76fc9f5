#include "cli/outside/file_cache.h"

#include "cli/content/cid.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 1024u

typedef struct entry {
    char hash[CONTENT_CID_SIZE];
    crdt_buf content;
    uint64_t used; /* when, counted */
} entry;

struct outside_file_cache {
    crdt_alloc alloc;
    pthread_mutex_t mutex;
    size_t size_max;
    size_t size;
    uint64_t clock;
    size_t count;
    entry entries[ENTRIES_MAX];
};

crdt_err outside_file_cache_open(outside_file_cache **out, crdt_alloc alloc,
                                 size_t size_max)
{
    outside_file_cache *cache = crdt_allocate(alloc, sizeof *cache);
    if (cache == NULL) {
        return CRDT_ENOMEM;
    }
    cache->alloc = alloc;
    cache->size_max = size_max;
    cache->size = 0;
    cache->clock = 0;
    cache->count = 0;
    pthread_mutex_init(&cache->mutex, NULL);
    *out = cache;
    return CRDT_OK;
}

void outside_file_cache_close(outside_file_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->count; i++) {
        crdt_buf_deinit(&cache->entries[i].content);
    }
    pthread_mutex_destroy(&cache->mutex);
    crdt_free(cache->alloc, cache, sizeof *cache);
}

static entry *find(outside_file_cache *cache, const char *hash)
{
    for (size_t i = 0; i < cache->count; i++) {
        if (strcmp(cache->entries[i].hash, hash) == 0) {
            return &cache->entries[i];
        }
    }
    return NULL;
}

bool outside_file_cache_get(outside_file_cache *cache, const char *hash, crdt_buf *out)
{
    pthread_mutex_lock(&cache->mutex);
    entry *found = find(cache, hash);
    bool good = found != NULL &&
                crdt_buf_append_span(out, crdt_buf_span(&found->content)) == CRDT_OK;
    if (good) {
        found->used = ++cache->clock;
    }
    pthread_mutex_unlock(&cache->mutex);
    return good;
}

static void drop_oldest(outside_file_cache *cache)
{
    entry *oldest = &cache->entries[0];
    for (size_t i = 1; i < cache->count; i++) {
        if (cache->entries[i].used < oldest->used) {
            oldest = &cache->entries[i];
        }
    }
    cache->size -= oldest->content.size;
    crdt_buf_deinit(&oldest->content);
    *oldest = cache->entries[--cache->count];
}

void outside_file_cache_put(outside_file_cache *cache, const char *hash,
                            crdt_span content)
{
    crdt_buf copy;
    crdt_buf_init(&copy, cache->alloc);
    if (strlen(hash) >= CONTENT_CID_SIZE || content.size > cache->size_max / 4 ||
        crdt_buf_append_span(&copy, content) != CRDT_OK) {
        return;
    }
    pthread_mutex_lock(&cache->mutex);
    if (find(cache, hash) != NULL) {
        crdt_buf_deinit(&copy);
    } else {
        while (cache->count == ENTRIES_MAX ||
               cache->size + content.size > cache->size_max) {
            drop_oldest(cache);
        }
        entry *added = &cache->entries[cache->count++];
        *added = (entry){.content = copy, .used = ++cache->clock};
        snprintf(added->hash, sizeof added->hash, "%s", hash);
        cache->size += content.size;
    }
    pthread_mutex_unlock(&cache->mutex);
}

size_t outside_file_cache_size(outside_file_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    size_t size = cache->size;
    pthread_mutex_unlock(&cache->mutex);
    return size;
}
