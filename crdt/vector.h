#ifndef CRDT_VECTOR_H
#define CRDT_VECTOR_H

/* Packed vectors: how values that are some numbers (positions, rotations, colors) lie in
 * batches, answers and records (docs/FORMAT.md, "Packed vectors").
 *
 * In memory a value is canonical msgpack (crdt/value.h): [0.5, 1.5, -2.5] takes 16 bytes.
 * All its numbers are exact in float32, and the low bytes of these are zero in all: packed,
 * it is a head and the 2, 3 or 4 upper bytes of each float32.
 *
 *     d4   3f00  3fc0  c020            d4 .. d6: three numbers of 2 .. 4 bytes
 *     c7 .. c9  four numbers of 2 .. 4 bytes
 *     c1 shape  others: arrays of 2 .. 16, {x,y}, {x,y,z}, {w,x,y,z}, {b,g,r}, {a,b,g,r}
 *
 * The heads are bytes that no msgpack value of ours begins with, so a value tells itself
 * whether it is packed. One form for each value: packed, as narrow as it can be, where that
 * is shorter than plain, else plain. */

#include "crdt/msgpack.h"

#define CRDT_VECTOR_COUNT_MAX 16u
/* The most bytes that an unpacked vector takes: a head, and 16 of the longest numbers. */
#define CRDT_VECTOR_PLAIN_MAX (3 + CRDT_VECTOR_COUNT_MAX * 9)

/* Write a canonical value in its one form: packed or plain, value.size bytes at most.
 * Returns the cursor behind it. O(size); nothing is allocated. */
uint8_t *crdt_vector_put(uint8_t *at, crdt_span value);

/* Where unpacked values go: pieces of an arena, filled one vector after the other. */
typedef struct crdt_vector_room {
    crdt_arena *arena;
    uint8_t *at;
    size_t left;
} crdt_vector_room;

crdt_vector_room crdt_vector_room_open(crdt_arena *arena);
/* Read a value of any kind in its one form. Plain ones are borrowed from the input,
 * unpacked ones lie in the room's arena. Errors, in reader->err (then an empty span):
 * CRDT_ECORRUPT, CRDT_ELIMIT as crdt_value_check; CRDT_ECORRUPT for a vector in another
 * form than its own; CRDT_ENOMEM. */
crdt_span crdt_vector_read(crdt_msgpack_reader *reader, crdt_vector_room *room);

#endif /* CRDT_VECTOR_H */
