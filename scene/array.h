#ifndef SCENE_ARRAY_H
#define SCENE_ARRAY_H

/* Growing arrays of plain values, numbered with 32 bits. */

#include "crdt/alloc.h"

#include <stdint.h>

/* Room for one more than `count` elements, by doubling: the array, moved if need be, with
 * *capacity raised. NULL: no memory or no more numbers; the array is as before. */
void *scene_array_grow(crdt_alloc alloc, void *array, size_t count, size_t *capacity,
                       size_t element_size);

#endif /* SCENE_ARRAY_H */
