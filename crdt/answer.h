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
 * Which keys an object has, and how many entries each, is its shape: most objects of a
 * scene share a few. A shape, a name of a part or field, an actor, a pair of actor and
 * person ("writer") are written once and then referred to by index. What follows the head
 * travels as a zstd frame where that is shorter. Neither side allocates per entry. */

#include "crdt/answer_index.h"
#include "crdt/batch.h"
#include "crdt/vector.h"

/* Shapes that are remembered: as many, of as many parts and fields at most. */
#define CRDT_ANSWER_SHAPES_MAX 1024u
#define CRDT_ANSWER_SHAPE_KEYS_MAX 64u
/* A packed body is at most this long as it is: what a reader may have to hold. */
#define CRDT_ANSWER_UNPACKED_MAX (1u << 30)

/* ---- writing ---- */

/* What all entries of an answer share. Borrowed. `since`, `version`, `floor` are never
 * NULL; all stamps of entries, log records and floor must be covered by `version`. */
typedef struct crdt_answer_head {
    bool full;
    const crdt_version *since;
    const crdt_version *version;
    const crdt_version *floor; /* travels only if full */
    const crdt_deps *deps;     /* rows to send along; NULL: none. Left out are rows
                            * that `version` does not cover, and unless full those whose
                            * batch `since` covers */
} crdt_answer_head;

/* A part or field of the object that is being written. */
typedef struct crdt_answer_key {
    crdt_span name;
    bool fresh; /* the name is new to the table */
} crdt_answer_key;

/* The first failure sticks, so the caller may look at the error of finish alone. */
typedef struct crdt_answer_writer {
    crdt_buf *out;
    size_t begin; /* of the answer in `out` */
    crdt_err err;
    crdt_buf body; /* log and objects so far */
    crdt_version
        actors; /* sorted: actor -> index; the times are those of the version */
    crdt_answer_index names;
    crdt_answer_index writers;
    crdt_answer_index shapes; /* by their ids */
    crdt_arena arena;         /* the ids of shapes */

    /* The object at hand: written when the next one begins. */
    bool object_any;
    crdt_span object;
    crdt_buf entries;      /* all its entries, encoded */
    crdt_answer_key *keys; /* its parts and fields */
    uint64_t *ids;         /* ids[0]: entries of the object; then of each key: what it
                            * is and how many entries, index of its name */
    size_t key_count;
    size_t key_capacity;
    /* The one before, most often of the same shape. */
    crdt_answer_key *last_keys;
    uint64_t *last_ids;
    size_t last_count;
    size_t last_capacity;
    uint32_t last_shape;
    bool last_any; /* last_shape is one that is remembered */

    crdt_actor writer_actor; /* the last entry's writer, if writer_any */
    crdt_span writer_who;
    uint32_t writer_index;
    bool writer_any;
    uint32_t actor_index; /* the last one looked up */
    uint64_t times[4];    /* by depth: what the next stamp is coded against */
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

/* One step through an answer. Spans are borrowed from the answer's bytes and the arena;
 * those that a type does not mention are stale. */
typedef struct crdt_answer_item {
    crdt_answer_item_type type;
    crdt_key key; /* LOG, KEY, ENTRY */
    /* Indices of names, below reader->name_count; equal for equal names that the writer
     * knew to be equal. */
    uint32_t part_name; /* depth >= PART */
    uint32_t field_name;
    size_t entry_count;   /* KEY */
    crdt_stamp stamp;     /* LOG, ENTRY */
    uint32_t actor_index; /* LOG, ENTRY: in reader->actors */
    uint32_t writer; /* ENTRY: index of (actor, who), counts up from 0 by first use */
    crdt_span who;   /* ENTRY */
    crdt_span value; /* ENTRY of a field: canonical; else empty */
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
    size_t deps_count;     /* rows that crdt_answer_read_deps gives */
    crdt_answer_item item; /* what crdt_answer_read_step came to */
    bool
        brief_values; /* may be set before the first step: an item's value is good until
                        * the next step only, and takes no memory in the arena */

    /* below: the reader's own */
    crdt_msgpack_reader in;
    crdt_arena *arena;
    const uint64_t *since_times; /* by actor index; 0: none */
    const uint64_t *version_times;
    const struct crdt_answer_deps_row *deps_rows;
    bool is_packed; /* the items are unpacked at the first step */
    crdt_span frame;
    uint64_t frame_offset; /* in the answer: where errors inside are said to be */
    size_t unpacked_size;
    bool items_open;
    const uint8_t *items_at;
    crdt_span *names;
    size_t name_count; /* read so far: grows by one at a time */
    size_t name_capacity;
    struct crdt_answer_who *writers;
    size_t writer_count;
    size_t writer_capacity;
    struct crdt_answer_shape *shapes;
    size_t shape_count;
    size_t shape_capacity;
    struct crdt_answer_shape_key *shape_keys;
    size_t shape_key_count; /* those of shapes that are remembered */
    size_t shape_key_capacity;
    size_t key_at; /* next of the object at hand, in shape_keys */
    size_t key_end;
    size_t entries_left;
    uint64_t times[4]; /* by depth */
    crdt_vector_room room;
    uint8_t value[CRDT_VECTOR_PLAIN_MAX];
    bool first_of_key;
    bool writer_any; /* item.writer is the last entry's */
    bool object_any;
    bool log_any;
    bool log_open;
    bool ended;
} crdt_answer_reader;

/* Read and check the head. `bytes` and `arena` are borrowed as long as the reader
 * lives. Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_answer_read_open(crdt_answer_reader *reader, crdt_span bytes,
                               crdt_arena *arena, crdt_diag *diag);
/* Row `*index` of deps (starts at 0, steps on), borrowed from the answer's bytes and the
 * arena. False at the end. */
bool crdt_answer_read_deps(const crdt_answer_reader *reader, size_t *index,
                           crdt_deps_row *row);
/* The next item, in reader->item; its type is CRDT_ANSWER_END at the end, again and
 * again. Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_ENOMEM; the reader stays there. */
crdt_err crdt_answer_read_step(crdt_answer_reader *reader);
/* The same, copied to `item`. */
crdt_err crdt_answer_read_next(crdt_answer_reader *reader, crdt_answer_item *item);
/* Back to the first item. Only after END was reached. */
void crdt_answer_read_rewind(crdt_answer_reader *reader);

/* What an encoded answer is for: its `since` and version (into initialized versions),
 * and whether it is full. Only the head is checked. Errors: CRDT_ECORRUPT,
 * CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_answer_peek(crdt_span answer, crdt_version *since, crdt_version *version,
                          bool *full, crdt_diag *diag);

#endif /* CRDT_ANSWER_H */
