#ifndef SCENE_JSON_WRITER_H
#define SCENE_JSON_WRITER_H

/* Writes canonical JSON (RFC 8785) piece by piece: members may be given in any order,
 * the end of an object puts them into theirs. Of two members with one key the first
 * stays.
 *
 * The first failure sticks; check `err` once at the end.
 *
 * Memory: 32 bytes a member of the objects that are open; `scratch` of the size of the
 * largest object that had to be sorted. */

#include "crdt/buf.h"

typedef struct scene_json_member {
    crdt_span key;
    size_t start; /* of `"key":value,` in out */
    size_t end;
} scene_json_member;

typedef struct scene_json_frame {
    bool object;
    size_t first_member;
} scene_json_frame;

#define SCENE_JSON_WRITER_DEPTH_MAX 16 /* of what is opened here; values nest apart */

typedef struct scene_json_writer {
    crdt_alloc alloc;
    crdt_buf *out;
    crdt_err err;
    crdt_buf scratch;
    scene_json_member *members;
    size_t member_count;
    size_t member_capacity;
    scene_json_frame frames[SCENE_JSON_WRITER_DEPTH_MAX];
    size_t depth;
} scene_json_writer;

void scene_json_writer_init(scene_json_writer *writer, crdt_alloc alloc, crdt_buf *out);
/* Begin another text, in `out`: what was open or failed is forgotten, memory kept. */
void scene_json_writer_begin(scene_json_writer *writer, crdt_buf *out);
void scene_json_writer_deinit(scene_json_writer *writer);

void scene_json_writer_object_begin(scene_json_writer *writer);
void scene_json_writer_object_end(scene_json_writer *writer);
/* The same, but a member of an object that turned out empty is not written at all. */
void scene_json_writer_object_end_or_drop(scene_json_writer *writer);
void scene_json_writer_array_begin(scene_json_writer *writer);
void scene_json_writer_array_end(scene_json_writer *writer);
/* The key of the next value. The span must live until the object's end. */
void scene_json_writer_key(scene_json_writer *writer, crdt_span key);
void scene_json_writer_value(scene_json_writer *writer, crdt_span value);
void scene_json_writer_string(scene_json_writer *writer, crdt_span utf8);
void scene_json_writer_integer(scene_json_writer *writer, int64_t number);
void scene_json_writer_bool(scene_json_writer *writer, bool boolean);
void scene_json_writer_null(scene_json_writer *writer);
/* Text that is one canonical JSON value already. */
void scene_json_writer_raw(scene_json_writer *writer, crdt_span text);

#endif /* SCENE_JSON_WRITER_H */
