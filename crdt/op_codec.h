#ifndef CRDT_OP_CODEC_H
#define CRDT_OP_CODEC_H

/* Lists of operations, and keys one after the other, <-> bytes (docs/FORMAT.md,
 * "Operations"): what batches, templates and history records are made of.
 *
 * A key says only what is new: the object is left out if it is the one before, the part
 * likewise. Part and field names are an index where both sides know them: the well-known
 * ones, and CRDT_KEY_NAME_MAX that the list has named before. Every list has one encoding;
 * any other is refused. Nothing is allocated for the table. */

#include "crdt/msgpack.h"
#include "crdt/op.h"
#include "crdt/vector.h"

/* As many names besides the well-known ones get an index. */
#define CRDT_KEY_NAME_MAX 128u

/* Which names follow the head of a key. */
#define CRDT_KEY_HAS_OBJECT 4u
#define CRDT_KEY_HAS_PART 8u

/* The names so far; the same on both sides. Names are borrowed. */
typedef struct crdt_key_coder {
    bool object_any;
    crdt_span object; /* of the last key, if object_any */
    crdt_span part;   /* of the last key that had one; at first the well-known name 0 */
    size_t name_count;
    crdt_span names[CRDT_KEY_NAME_MAX];
    /* Hash table: 1 + index; 0: free. Cleared when the first name comes. */
    uint8_t slots[2 * CRDT_KEY_NAME_MAX];
} crdt_key_coder;

void crdt_key_coder_init(crdt_key_coder *coder);
/* The CRDT_KEY_HAS_* bits that the key's head needs. */
unsigned crdt_key_coder_flags(const crdt_key_coder *coder, const crdt_key *key);
/* Would crdt_key_coder_put keep the field `name`, so that it must live on? */
bool crdt_key_coder_learns(const crdt_key_coder *coder, crdt_span name);
/* The most bytes that crdt_key_coder_put writes. */
size_t crdt_key_coder_size_max(const crdt_key *key);
/* Write the names that `flags` (of crdt_key_coder_flags) tell, and the field. */
uint8_t *crdt_key_coder_put(crdt_key_coder *coder, uint8_t *at, const crdt_key *key,
                            unsigned flags);
/* Read them. Errors in reader->err: CRDT_ECORRUPT, CRDT_ELIMIT. */
crdt_key crdt_key_coder_read(crdt_key_coder *coder, crdt_msgpack_reader *reader,
                             crdt_depth depth, unsigned flags);

/* Append one operation to those that the coder has written. Its names are borrowed as long as
 * others follow. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_op_append(crdt_key_coder *coder, const crdt_op *op, crdt_buf *out);
/* Append the count of operations and the operations. Errors: CRDT_ENOMEM; `out` then
 * holds part of it: the caller cuts it. */
crdt_err crdt_ops_encode(const crdt_op *ops, size_t op_count, crdt_buf *out);
/* Read them, at most `count_max`, into an array in `arena`. Returns reader->err:
 * CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err crdt_ops_read(crdt_msgpack_reader *reader, size_t count_max, crdt_arena *arena,
                       crdt_op **ops, size_t *op_count);

#endif /* CRDT_OP_CODEC_H */
