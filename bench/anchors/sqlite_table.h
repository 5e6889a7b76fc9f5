#ifndef BENCH_ANCHORS_SQLITE_TABLE_H
#define BENCH_ANCHORS_SQLITE_TABLE_H

/* The same map as a table of SQLite: one upsert a field. Errors end the process. */

#include "bench/anchors/drawing.h"

typedef struct anchor_sqlite anchor_sqlite;

/* `path`: ":memory:", or a file that is made anew. */
anchor_sqlite *anchor_sqlite_open(const char *path);
void anchor_sqlite_close(anchor_sqlite *table);
void anchor_sqlite_begin(anchor_sqlite *table);
void anchor_sqlite_put(anchor_sqlite *table, const anchor_field *field, uint64_t time);
void anchor_sqlite_commit(anchor_sqlite *table);
size_t anchor_sqlite_size(anchor_sqlite *table); /* bytes of its pages */

#endif /* BENCH_ANCHORS_SQLITE_TABLE_H */
