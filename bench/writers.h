#ifndef BENCH_WRITERS_H
#define BENCH_WRITERS_H

/* Many who set one field at the same time, none of whom has heard of the others. */

#include "bench/editor.h"

typedef struct bench_writers {
    bench_editor *editors;
    size_t count;
    crdt_buf updates; /* all messages, one after the other */
    size_t *ends;     /* of each in `updates` */
    size_t written;
} bench_writers;

/* `count` documents of one template. */
void bench_writers_open(bench_writers *writers, size_t count);
void bench_writers_close(bench_writers *writers);
/* Editor `index` (0, 1, ...) sets the field; its message joins `updates`. */
void bench_writers_write(bench_writers *writers, size_t index, crdt_span value);
/* Apply all updates to editor `index`; its own it has. */
void bench_writers_apply(bench_writers *writers, size_t index);
/* Do the two show one value of the field, and hold equal states? */
bool bench_writers_equal(const bench_editor *a, const bench_editor *b);

#endif /* BENCH_WRITERS_H */
