#ifndef TESTS_SYNC_NODE_BOX_H
#define TESTS_SYNC_NODE_BOX_H

/* A node with what tests do to it: set fields, read them, await what happens. Aborts the
 * test program where a call fails that must not (works with and without criterion). */

#include "sync/node.h"

#include <pthread.h>

typedef struct node_box {
    sync_node *node;
    pthread_mutex_t mutex;
    pthread_cond_t happened;
    uint64_t event_count;
    uint64_t counts[32];           /* by sync_event_kind */
    char url[SYNC_NODE_NAME_SIZE]; /* the last it listens at */
    char text[32][160];            /* the last text, by kind */
    crdt_actor lineage;            /* of the last stranger */
    char presence[64];             /* the begin of what was told last, by anybody */
    size_t presence_size;
} node_box;

/* The key of nodes opened from now on; NULL: none. */
extern const uint8_t *box_key;

/* Options with the box as listener; change them before box_open. */
sync_node_options box_options(node_box *box);
/* Errors: as sync_node_open. */
crdt_err box_open(node_box *box, const sync_node_options *options);
/* In memory (dir NULL) or a folder, listening at `url` (or NULL), dialing `peer` (or
 * NULL). */
void box_start(node_box *box, const char *dir, const char *url, const char *peer);
crdt_err box_close(node_box *box);

/* object.part.field = value, creating the object and the part. */
crdt_err box_set(node_box *box, const char *object, const char *field, int64_t value,
                 sync_edit_result *result);
crdt_err box_remove(node_box *box, const char *object);
/* The shown value; -1: not visible. */
int64_t box_get(node_box *box, const char *object, const char *field);
crdt_digest box_digest(node_box *box);

/* Until `kind` has happened `count` times in all; false: not within two minutes. */
bool box_await(node_box *box, sync_event_kind kind, uint64_t count);
uint64_t box_count(node_box *box, sync_event_kind kind);
/* Until the last text of this kind has `word` in it; false: not within two minutes. */
bool box_await_text(node_box *box, sync_event_kind kind, const char *word);
/* Until the last presence heard is this one; false: not within two minutes. */
bool box_await_presence(node_box *box, const char *text);
/* Until all hold the same version and digest; false: not within `timeout_ms`. */
bool box_await_equal(node_box *const *boxes, size_t count, unsigned timeout_ms);

uint64_t box_now_ms(void);

#endif /* TESTS_SYNC_NODE_BOX_H */
