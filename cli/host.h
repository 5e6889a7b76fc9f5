#ifndef CLI_HOST_H
#define CLI_HOST_H

/* What a verb finds in a process that runs a node, when it is done there for a caller. */

#include "sync/node.h"

/* Told of one clash: an edit that replaced or removed what its author had not seen. `kind`
 * is "stale" or "removed"; `conflict` has the lost write, and what shows instead. */
typedef bool (*cli_clash_fn)(void *ctx, const char *kind,
                             const crdt_conflict *conflict);

typedef struct cli_host {
    sync_node *node;
    /* The clashes that stand, which the document does not hold; NULL: it remembers none.
     * Errors: as sync_node_read. */
    crdt_err (*clashes)(void *ctx, cli_clash_fn visit, void *visit_ctx);
    /* Let go of all of them. */
    crdt_err (*forget_clashes)(void *ctx);
    void *ctx;
} cli_host;

#endif /* CLI_HOST_H */
