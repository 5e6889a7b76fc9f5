#include "bench/anchors/sqlite_table.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct anchor_sqlite {
    sqlite3 *db;
    sqlite3_stmt *upsert;
};

static void must(anchor_sqlite *table, int result, int wanted)
{
    if (result != wanted) {
        fprintf(stderr, "bench-anchors: SQLite: %s\n", sqlite3_errmsg(table->db));
        exit(1);
    }
}

static void run(anchor_sqlite *table, const char *sql)
{
    must(table, sqlite3_exec(table->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void remove_old(const char *path)
{
    char file[512];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        remove(file);
    }
}

anchor_sqlite *anchor_sqlite_open(const char *path)
{
    anchor_sqlite *table = calloc(1, sizeof *table);
    if (table == NULL) {
        fputs("bench-anchors: out of memory\n", stderr);
        exit(1);
    }
    if (path[0] != ':') {
        remove_old(path);
    }
    must(table, sqlite3_open(path, &table->db), SQLITE_OK);
    run(table,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-262144;"
        "CREATE TABLE c(e TEXT NOT NULL, k INTEGER NOT NULL, t INTEGER NOT NULL,"
        " w INTEGER NOT NULL, v BLOB, PRIMARY KEY(e, k)) WITHOUT ROWID");
    must(table,
         sqlite3_prepare_v2(table->db,
                            "INSERT INTO c VALUES(?1, ?2, ?3, 1, ?4) ON CONFLICT DO "
                            "UPDATE SET t=excluded.t, w=excluded.w, v=excluded.v "
                            "WHERE excluded.t > c.t",
                            -1, &table->upsert, NULL),
         SQLITE_OK);
    return table;
}

void anchor_sqlite_close(anchor_sqlite *table)
{
    sqlite3_finalize(table->upsert);
    sqlite3_close(table->db);
    free(table);
}

void anchor_sqlite_begin(anchor_sqlite *table)
{
    run(table, "BEGIN");
}

void anchor_sqlite_put(anchor_sqlite *table, const anchor_field *field, uint64_t time)
{
    sqlite3_stmt *upsert = table->upsert;
    sqlite3_bind_text(upsert, 1, field->key, ANCHOR_KEY_SIZE - 1, SQLITE_STATIC);
    sqlite3_bind_int(upsert, 2, field->key[ANCHOR_KEY_SIZE - 1]);
    sqlite3_bind_int64(upsert, 3, (int64_t)time);
    sqlite3_bind_blob(upsert, 4, field->value, field->value_size, SQLITE_STATIC);
    must(table, sqlite3_step(upsert), SQLITE_DONE);
    sqlite3_reset(upsert);
}

void anchor_sqlite_commit(anchor_sqlite *table)
{
    run(table, "COMMIT");
}

static size_t pragma(anchor_sqlite *table, const char *sql)
{
    sqlite3_stmt *query;
    must(table, sqlite3_prepare_v2(table->db, sql, -1, &query, NULL), SQLITE_OK);
    must(table, sqlite3_step(query), SQLITE_ROW);
    size_t value = (size_t)sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return value;
}

size_t anchor_sqlite_size(anchor_sqlite *table)
{
    return pragma(table, "PRAGMA page_count") * pragma(table, "PRAGMA page_size");
}
