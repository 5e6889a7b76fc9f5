#ifndef BENCH_EDITOR_H
#define BENCH_EDITOR_H

/* Somebody who edits a document and hears of others' edits: what a replica keeps for each
 * scene, without its protocol. */

#include "bench/workload.h"
#include "crdt/document.h"

typedef struct bench_editor {
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena;
    crdt_buf message; /* the last one made here */
    crdt_actor actor;
    uint64_t wall_ms;
} bench_editor;

/* As good as random to whoever hashes or sorts them. */
crdt_actor bench_actor(uint32_t number);

/* Editor `number`; each one has an actor of its own. Memory of the document comes from
 * `alloc`. */
void bench_editor_open(bench_editor *editor, uint32_t number, crdt_alloc alloc);
void bench_editor_close(bench_editor *editor);

/* Make one edit and encode it into `message`. False: it says nothing new. */
bool bench_editor_commit(bench_editor *editor, const bench_ops *ops);
/* Decode and apply another's message. */
void bench_editor_apply(bench_editor *editor, crdt_span message);

/* The saved document, appended to `out`; and read into an empty one. */
void bench_editor_save(const bench_editor *editor, crdt_buf *out);
void bench_editor_load(bench_editor *editor, crdt_span saved);

#endif /* BENCH_EDITOR_H */
