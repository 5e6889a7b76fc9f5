#ifndef CRDT_ANSWER_H
#define CRDT_ANSWER_H

/* Catch-up answers <-> bytes (docs/FORMAT.md, "Answer"): also the saved document.
 *
 * This is the byte codec alone; what goes into an answer and how it is joined is the
 * document's. One answer is a head (since, version, floor, rows of deps), then log
 * records in stamp order, then the touched keys, grouped object > part > field in byte
 * order of names, each with its dots or siblings, highest stamp first:
 *
 *     head  log*  ( object entry* ( part entry* ( field entry+ )* )* )*  end
 *
 * There is no list of prefixes: they are the keys of the log records, and the objects
 * and parts with an entry above `since` (item.fresh).
 *
 * A name, an actor, and a pair of actor and person ("writer") are written once and then
 * referred to by index. Neither side allocates per entry. */

#include "crdt/batch.h"
#include "crdt/msgpack.h"

/* ---- writing ---- */

/* What all entries of an answer share. Borrowed. `since`, `version`, `floor` are never
 * NULL; all stamps of entries, log records and floor must be covered by `version`. */
typedef struct crdt_answer_head {
    bool full;
    const crdt_version *since;
    const crdt_version *version;
    const crdt_version *floor; /* travels only if full */
    const crdt_deps *deps; /* rows to send along; NULL: none. Rows that `version` does
                            * not cover are left out */
} crdt_answer_head;

typedef struct crdt_answer_names crdt_answer_names; /* a hash index, in answer.c */

/* The first failure sticks, so the caller may look at the error of finish alone. */
typedef struct crdt_answer_writer {
    crdt_buf *out;
    size_t begin; /* of the answer in `out` */
    crdt_err err;
    crdt_version
        actors; /* sorted: actor -> index; the times are those of the version */
    crdt_answer_names *names;
    crdt_answer_names *writers;
    crdt_actor writer_actor; /* the last entry's writer, if writer_any */
    crdt_span writer_who;
    uint32_t writer_index;
    bool writer_any;
    uint32_t actor_index; /* the last one looked up */
    uint64_t time;        /* the last stamp's, what the next is coded against */
    crdt_span log_object; /* of the last log record */
    bool log_any;
    bool log_open; /* still in the section of log records */
} crdt_answer_writer;

/* Begin an answer behind what `out` holds. Memory for the tables comes from out->alloc.
 * Always finish a writer, after an error too. Errors: CRDT_ENOMEM. */
crdt_err crdt_answer_write_open(crdt_answer_writer *writer, crdt_buf *out,
                                const crdt_answer_head *head);
/* One record of the remove log, in ascending order of stamps. `key` is borrowed until
 * the next record. */
crdt_err crdt_answer_write_log(crdt_answer_writer *writer, const crdt_stamp *stamp,
                               const crdt_key *key);
/* All names are borrowed until finish.
 *
 * Begin an object, or a part of the last object, or a field of the last part; names in
 * strictly ascending byte order (crdt_span_compare) under their parent. `entry_count`
 * calls of crdt_answer_write_entry follow, highest stamp first. An object or a part may
 * have no entry if something is below it. */
crdt_err crdt_answer_write_key(crdt_answer_writer *writer, crdt_depth depth,
                               crdt_span name, size_t entry_count);
/* A dot (`value` empty) or a sibling. `who` is borrowed until finish. */
crdt_err crdt_answer_write_entry(crdt_answer_writer *writer, crdt_depth depth,
                                 const crdt_stamp *stamp, crdt_span who,
                                 crdt_span value);
/* End the answer and free the tables. On any error since open, `out` is as before it.
 */
crdt_err crdt_answer_write_finish(crdt_answer_writer *writer);

/* ---- reading ---- */

typedef enum crdt_answer_item_type {
    CRDT_ANSWER_LOG,   /* stamp, key */
    CRDT_ANSWER_KEY,   /* key, entry_count */
    CRDT_ANSWER_ENTRY, /* of the last KEY: stamp, who, value */
    CRDT_ANSWER_END,
} crdt_answer_item_type;

/* One step through an answer. Spans are borrowed from the answer's bytes. */
typedef struct crdt_answer_item {
    crdt_answer_item_type type;
    crdt_key key; /* LOG, KEY, ENTRY */
    uint32_t
        part_name; /* depth >= PART: index of the name, equal for equal names that */
    uint32_t
        field_name;     /* the writer knew to be equal: counts up from 0 by first use */
    size_t entry_count; /* KEY */
    crdt_stamp stamp;   /* LOG, ENTRY */
    uint32_t actor_index; /* LOG, ENTRY: in reader->actors */
    uint32_t writer; /* ENTRY: index of (actor, who), counts up from 0 by first use */
    crdt_span who;   /* ENTRY */
    crdt_span value; /* ENTRY of a field: canonical */
    bool fresh;      /* LOG, ENTRY: the stamp is above `since` */
} crdt_answer_item;

/* Reads foreign bytes item by item; everything is checked on the way: structure, order,
 * limits, canonical values, every stamp covered by the version. Tables grow with what
 * was really read: at most a fixed multiple of the bytes.
 *
 * The versions are views into `arena`: to be read and copied, never changed. */
typedef struct crdt_answer_reader {
    bool full;
    crdt_version since;
    crdt_version version;
    crdt_version floor;       /* empty unless full */
    const crdt_actor *actors; /* sorted */
    size_t actor_count;
    size_t deps_count; /* rows that crdt_answer_read_deps gives */

    /* below: the reader's own */
    crdt_msgpack_reader in;
    crdt_arena *arena;
    const uint64_t *since_times; /* by actor index; 0: none */
    const uint64_t *version_times;
    const struct crdt_answer_row *deps_rows;
    const uint8_t *items_at;
    crdt_span *names;
    size_t name_count;
    size_t name_capacity;
    struct crdt_answer_who *writers;
    size_t writer_count;
    size_t writer_capacity;
    crdt_key key;
    uint32_t part_name;
    uint32_t field_name;
    size_t entries_left;
    crdt_depth child_due; /* must come next because its parent has no entry; 0: none */
    crdt_stamp stamp;     /* the last one */
    bool first_of_key;
    bool log_any;
    bool log_open;
    bool ended;
    bool checked; /* all items were read once: values are not checked again */
} crdt_answer_reader;

/* Read and check the head. `bytes` and `arena` are borrowed as long as the reader
 * lives. Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_answer_read_open(crdt_answer_reader *reader, crdt_span bytes,
                               crdt_arena *arena, crdt_diag *diag);
/* Row `*index` of deps (starts at 0, steps on), borrowed from the answer's bytes and the
 * arena. False at the end. */
bool crdt_answer_read_deps(const crdt_answer_reader *reader, size_t *index,
                           crdt_deps_row *row);
/* The next item; item->type is CRDT_ANSWER_END at the end, again and again. Check an
 * answer whole by reading it to the end, then rewind and read it again to use it.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_ENOMEM; the reader stays there. */
crdt_err crdt_answer_read_next(crdt_answer_reader *reader, crdt_answer_item *item);
/* Back to the first item. Only after END was reached: the second pass cannot fail. */
void crdt_answer_read_rewind(crdt_answer_reader *reader);

/* What an encoded answer is for: its `since` and version (into initialized versions),
 * and whether it is full. Only the head is checked. Errors: CRDT_ECORRUPT,
 * CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_answer_peek(crdt_span answer, crdt_version *since, crdt_version *version,
                          bool *full, crdt_diag *diag);

#endif /* CRDT_ANSWER_H */
