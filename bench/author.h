#ifndef BENCH_AUTHOR_H
#define BENCH_AUTHOR_H

/* An author elsewhere, of whom there are only the messages: it has seen what a document
 * had when it began, and its own edits, and keeps no document of its own. */

#include "bench/editor.h"

typedef struct bench_author {
    crdt_actor actor;
    crdt_version seen; /* after its last message */
    crdt_deps *deps;
    crdt_buf messages; /* all of them, one after the other, each behind its size */
    uint64_t message_count;
} bench_author;

/* Author `number` (other than an editor's), who has seen `version`. */
void bench_author_open(bench_author *author, uint32_t number,
                       const crdt_version *version);
void bench_author_close(bench_author *author);
/* Make a message of the operations; all of them must say something. */
void bench_author_write(bench_author *author, const bench_ops *ops);
/* Forget the messages, go on from there. */
void bench_author_clear(bench_author *author);
/* Apply all messages. */
void bench_editor_hear(bench_editor *editor, const bench_author *author);

#endif /* BENCH_AUTHOR_H */
