#ifndef CLI_FUZZ_FULL_HISTORY_IMPL_H
#define CLI_FUZZ_FULL_HISTORY_IMPL_H

/* What full_history.c keeps and full_history_check.c looks at. */

#include "cli/fuzz/full_history.h"

#define NONE UINT32_MAX

/* A list that grows: items, count, capacity. */
#define LIST(type)                                                                     \
    struct {                                                                           \
        type *items;                                                                   \
        size_t count;                                                                  \
        size_t capacity;                                                               \
    }

typedef struct key_node {
    crdt_key key;    /* owned */
    uint64_t hash;   /* of the key */
    uint32_t owner;  /* the key above; NONE: an object */
    uint32_t below;  /* first key below it */
    uint32_t beside; /* next below the same owner */
    uint32_t entry;  /* newest entry */
} key_node;

typedef struct entry_node {
    uint32_t next; /* older, of the same key */
    uint32_t key;
    uint32_t batch;
    uint32_t author;
    uint64_t time;
    uint32_t remover;
    uint8_t *value; /* owned; NULL: a dot */
    size_t value_size;
} entry_node;

typedef struct remover_node {
    uint32_t next;
    uint32_t batch;
    uint32_t author;
    uint64_t time;
} remover_node;

typedef struct batch_node {
    uint32_t author;
    char who[16]; /* the beginning of the person's name */
    bool lost;
} batch_node;

struct fuzz_full_history {
    LIST(crdt_actor) actors;
    LIST(key_node) keys;
    LIST(entry_node) entries;
    LIST(remover_node) removers;
    LIST(batch_node) batches;
    LIST(uint64_t) seen; /* scratch: actor -> time */
    uint32_t *buckets;   /* open addressing: key number + 1 */
    size_t bucket_count;
};

/* Fill `seen`: for each known actor the time in `stamps`. */
void fuzz_full_history_spread(fuzz_full_history *history, const crdt_stamp *stamps,
                              size_t count);
/* The number of a key that is known; NONE: it is not. */
uint32_t fuzz_full_history_key(fuzz_full_history *history, const crdt_key *key);

#endif /* CLI_FUZZ_FULL_HISTORY_IMPL_H */
