#ifndef BENCH_NODE_WRITER_H
#define BENCH_NODE_WRITER_H

/* Somebody who edits W1's scene on a node: one edit sets the Transforms of the next
 * entities in turn, three fields each. */

#include "bench/bench.h"
#include "bench/workload.h"
#include "sync/node.h"

typedef struct bench_node_writer {
    sync_node *node; /* borrowed */
    uint32_t entity_count;
    uint32_t per_edit; /* entities of one edit */
    uint32_t next;     /* the first entity of the next edit; the node's thread */
    bench_stream stream;
    bench_ops ops;
} bench_node_writer;

/* Makes the scene, too, if the node has none. */
void bench_node_writer_open(bench_node_writer *writer, sync_node *node,
                            uint32_t entity_count, uint32_t per_edit);
void bench_node_writer_close(bench_node_writer *writer);
/* The next edit; `edit.ctx` is the writer. */
sync_edit bench_node_writer_edit(bench_node_writer *writer);

/* A folder for stores, made anew below `options->dir`; and all that is in it, gone. */
void bench_folder_open(const bench_options *options, const char *name,
                       char path[BENCH_PATH_SIZE]);
void bench_folder_close(const char *path);

#endif /* BENCH_NODE_WRITER_H */
