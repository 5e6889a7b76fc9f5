#ifndef CRDT_WELL_KNOWN_H
#define CRDT_WELL_KNOWN_H

/* The names that scenes use most, as a part of the format (docs/FORMAT.md, "Names"): both
 * sides know them, so a part or field so named costs one byte, from the first on.
 *
 * The idea is that of HPACK's static table (RFC 7541, appendix A). The names are those of
 * components and fields of real scenes, most frequent first: what a SET names in one byte
 * (below CRDT_WELL_KNOWN_FIELD_COUNT), then parts and rarer ones. The table is never
 * edited: another one is another format. */

#include "crdt/buf.h"

#define CRDT_WELL_KNOWN_COUNT 96u
/* As many come first that are names of fields (and Transform, at 0). */
#define CRDT_WELL_KNOWN_FIELD_COUNT 64u

/* By index. Static: a name that was read as an index has this very pointer. */
extern const crdt_span crdt_well_known_names[CRDT_WELL_KNOWN_COUNT];

/* A hash of a name in 8 bits: cheap, and good enough for names as scenes have them. */
static inline uint8_t crdt_well_known_hash(crdt_span name)
{
    if (name.size == 0) {
        return 0;
    }
    return (uint8_t)(15 * name.size + name.data[0] + 107u * name.data[name.size / 2] +
                     11u * name.data[name.size - 1]);
}

/* Where a name is found: at its hash, or at the next places, up to a free one (0). 1 + the
 * index. */
extern const uint8_t crdt_well_known_slots[256];

/* The index of `name`, whose hash is `hash`; CRDT_WELL_KNOWN_COUNT if it is none of them.
 * O(1). */
static inline size_t crdt_well_known_find(crdt_span name, uint8_t hash)
{
    for (;; hash++) {
        uint8_t index = crdt_well_known_slots[hash];
        if (index == 0) {
            return CRDT_WELL_KNOWN_COUNT;
        }
        if (crdt_span_equal(crdt_well_known_names[index - 1], name)) {
            return index - 1u;
        }
    }
}

#endif /* CRDT_WELL_KNOWN_H */
