#include "scene/array.h"

void *scene_array_grow(crdt_alloc alloc, void *array, size_t count, size_t *capacity,
                       size_t element_size)
{
    if (count < *capacity) {
        return array;
    }
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    if (more > UINT32_MAX - 2) {
        return NULL;
    }
    void *grown = crdt_resize_array(alloc, array, *capacity, more, element_size);
    if (grown != NULL) {
        *capacity = more;
    }
    return grown;
}
