#include "crdt/answer_form.h"
#include "crdt/value.h"
#include "crdt/zstd.h"

#include <string.h>

/* ---- the head ---- */

struct crdt_answer_deps_row {
    crdt_deps_row row; /* `after` is set when it is handed out */
    crdt_version after;
};

void *crdt_answer_take(crdt_answer_reader *r, size_t count, size_t size)
{
    if (r->in.err != CRDT_OK) {
        return NULL;
    }
    void *ptr = crdt_arena_alloc(r->arena, count * size);
    if (ptr == NULL) {
        crdt_msgpack_fail(&r->in, CRDT_ENOMEM, "no memory for the tables of an answer");
    }
    return ptr;
}

/* The next of the times that write_times wrote: it is `*index`'s, or, 0, nobody's up to
 * before `*index`. */
static uint64_t read_time(crdt_answer_reader *r, const uint64_t *upper, size_t *index)
{
    const uint8_t *before = r->in.at;
    uint64_t limit = upper != NULL ? upper[*index] : CRDT_TIME_MAX;
    uint64_t time = crdt_msgpack_read_uint(&r->in, limit);
    if (time != 0) {
        return upper != NULL ? 1 + upper[*index] - time : time;
    }
    const uint8_t *run_at = r->in.at;
    size_t left = r->actor_count - *index;
    uint64_t run = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
    if (r->in.err == CRDT_OK && (run == 0 || run > left)) {
        r->in.at = run_at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "run of actors goes beyond the table");
    }
    *index += r->in.err == CRDT_OK ? (size_t)run : 0;
    if (r->in.err == CRDT_OK && *index < r->actor_count &&
        crdt_msgpack_peek(r->in.at, r->in.end).number == 0 &&
        crdt_msgpack_at_uint(&r->in)) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "run of actors is cut in two");
    }
    return 0;
}

/* The times of all actors: as many stamps as there are, into `stamps` (NULL: only counted)
 * and, for all, `times` (may be NULL). Returns the number of stamps. */
static size_t read_stamps(crdt_answer_reader *r, const uint64_t *upper,
                          crdt_stamp *stamps, uint64_t *times)
{
    size_t count = 0;
    for (size_t i = 0; i < r->actor_count && r->in.err == CRDT_OK;) {
        size_t begin = i;
        uint64_t time = read_time(r, upper, &i);
        if (r->in.err != CRDT_OK) {
            break;
        }
        for (; begin < i && times != NULL; begin++) {
            times[begin] = 0;
        }
        if (time != 0) {
            if (stamps != NULL) {
                stamps[count] = (crdt_stamp){.time = time, .actor = r->actors[i]};
            }
            if (times != NULL) {
                times[i] = time;
            }
            count++;
            i++;
        }
    }
    return count;
}

/* A version, as a view of the arena; its times by actor index into `times` (may be NULL).
 * Read twice, so that rows that name few actors take little. */
static void read_times(crdt_answer_reader *r, uint64_t *times, crdt_version *version,
                       const uint64_t *upper)
{
    const uint8_t *begin = r->in.at;
    size_t count = read_stamps(r, upper, NULL, NULL);
    crdt_stamp *stamps = crdt_answer_take(r, count, sizeof *stamps);
    if (stamps == NULL) {
        return;
    }
    r->in.at = begin;
    read_stamps(r, upper, stamps, times);
    *version =
        (crdt_version){.stamps = stamps, .stamp_count = count, .stamp_capacity = count};
}

static void read_actors(crdt_answer_reader *r)
{
    crdt_span bytes = crdt_msgpack_read_bin(&r->in, SIZE_MAX);
    if (bytes.size % CRDT_ANSWER_ACTOR_SIZE != 0) {
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "table of actors has a broken row");
        return;
    }
    crdt_actor *actors =
        crdt_answer_take(r, bytes.size / CRDT_ANSWER_ACTOR_SIZE, sizeof *actors);
    if (actors == NULL) {
        return;
    }
    for (size_t i = 0; i < bytes.size / CRDT_ANSWER_ACTOR_SIZE; i++) {
        memcpy(actors[i].bytes, bytes.data + i * CRDT_ANSWER_ACTOR_SIZE,
               CRDT_ANSWER_ACTOR_SIZE);
        if (i > 0 && crdt_actor_compare(&actors[i - 1], &actors[i]) >= 0) {
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "actors are not in order");
            return;
        }
    }
    r->actors = actors;
    r->actor_count = bytes.size / CRDT_ANSWER_ACTOR_SIZE;
}

uint32_t crdt_answer_read_actor(crdt_answer_reader *r)
{
    const uint8_t *before = r->in.at;
    uint64_t index = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
    if (r->in.err == CRDT_OK && index >= r->actor_count) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such actor in the table");
        return 0;
    }
    return (uint32_t)index;
}

static void read_deps_rows(crdt_answer_reader *r)
{
    size_t count = crdt_msgpack_read_count(&r->in, SIZE_MAX, 5);
    struct crdt_answer_deps_row *rows = crdt_answer_take(r, count, sizeof *rows);
    for (size_t i = 0; i < count && r->in.err == CRDT_OK; i++) {
        uint32_t author = crdt_answer_read_actor(r);
        if (r->in.err != CRDT_OK) {
            return;
        }
        rows[i].row.actor = r->actors[author];
        const uint8_t *before = r->in.at;
        rows[i].row.last_time =
            crdt_msgpack_read_uint(&r->in, r->version_times[author]);
        if (r->in.err == CRDT_OK && rows[i].row.last_time == 0) {
            r->in.at = before;
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "time 0 of a last batch");
            return;
        }
        rows[i].row.who = crdt_msgpack_read_str(&r->in, CRDT_NAME_SIZE_MAX);
        rows[i].row.wall_ms = crdt_msgpack_read_uint(&r->in, UINT64_MAX);
        read_times(r, NULL, &rows[i].after, r->version_times);
    }
    r->deps_rows = rows;
    r->deps_count = count;
}

/* A plain body follows at once. Of a packed one only the head is looked at here. */
static void read_body_head(crdt_answer_reader *r)
{
    uint64_t kind = crdt_msgpack_read_uint(&r->in, CRDT_ANSWER_BODY_PACKED);
    r->items_at = r->in.at;
    r->is_packed = kind == CRDT_ANSWER_BODY_PACKED;
    if (r->in.err != CRDT_OK || !r->is_packed) {
        return;
    }
    uint64_t size = crdt_msgpack_read_uint(&r->in, CRDT_ANSWER_UNPACKED_MAX);
    r->frame = crdt_msgpack_read_bin(&r->in, SIZE_MAX);
    crdt_msgpack_read_end(&r->in);
    if (r->in.err == CRDT_OK && !crdt_zstd_allows(r->frame, size)) {
        r->in.at = r->items_at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no frame of that many bytes");
    }
    r->unpacked_size = (size_t)size;
}

crdt_err crdt_answer_read_open(crdt_answer_reader *reader, crdt_span bytes,
                               crdt_arena *arena, crdt_diag *diag)
{
    *reader = (crdt_answer_reader){
        .in = crdt_msgpack_read_open(bytes, diag), .arena = arena, .log_open = true};
    uint64_t format = crdt_msgpack_read_uint(&reader->in, UINT64_MAX);
    if (reader->in.err == CRDT_OK && format != CRDT_ANSWER_FORMAT) {
        reader->in.at = reader->in.begin;
        return crdt_msgpack_fail(&reader->in, CRDT_EVERSION, "unknown answer format");
    }
    reader->full = crdt_msgpack_read_bool(&reader->in);
    read_actors(reader);
    uint64_t *times = crdt_answer_take(reader, reader->actor_count, sizeof *times);
    read_times(reader, times, &reader->version, NULL);
    reader->version_times = times;
    times = crdt_answer_take(reader, reader->actor_count, sizeof *times);
    read_times(reader, times, &reader->since, NULL);
    reader->since_times = times;
    if (reader->full) {
        read_times(reader, NULL, &reader->floor, NULL);
    }
    if (reader->in.err == CRDT_OK &&
        !crdt_version_includes(&reader->version, &reader->floor)) {
        crdt_msgpack_fail(&reader->in, CRDT_ECORRUPT, "floor is above the version");
    }
    if (reader->in.err == CRDT_OK) {
        read_deps_rows(reader);
    }
    read_body_head(reader);
    return reader->in.err;
}

bool crdt_answer_read_deps(const crdt_answer_reader *reader, size_t *index,
                           crdt_deps_row *row)
{
    if (*index >= reader->deps_count) {
        return false;
    }
    const struct crdt_answer_deps_row *from = &reader->deps_rows[(*index)++];
    *row = from->row;
    row->after = &from->after;
    return true;
}

crdt_err crdt_answer_peek(crdt_span answer, crdt_version *since, crdt_version *version,
                          bool *full, crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, since->alloc);
    crdt_answer_reader reader;
    crdt_err err = crdt_answer_read_open(&reader, answer, &arena, diag);
    if (err == CRDT_OK) {
        err = crdt_version_copy(since, &reader.since);
    }
    if (err == CRDT_OK) {
        err = crdt_version_copy(version, &reader.version);
    }
    if (err == CRDT_OK) {
        *full = reader.full;
    }
    crdt_arena_deinit(&arena);
    return err;
}
