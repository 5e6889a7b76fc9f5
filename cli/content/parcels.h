#ifndef CLI_CONTENT_PARCELS_H
#define CLI_CONTENT_PARCELS_H

/* The parcels of land that a scene lies on: a connected set of squares of 16 m. Pure. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

#define CONTENT_PARCELS_MAX 400u
#define CONTENT_POINTER_SIZE 24 /* "X,Y" with terminator */

typedef struct content_parcel {
    int32_t x;
    int32_t y;
} content_parcel;

typedef struct content_parcels {
    content_parcel list[CONTENT_PARCELS_MAX];
    size_t count;
} content_parcels;

/* "X,Y", two decimal integers as pointers have them: no "+", no "-0", no leading zeros, up
 * to 5 digits. */
bool content_parcel_parse(crdt_span text, content_parcel *parcel);
void content_parcel_format(content_parcel parcel, char text[CONTENT_POINTER_SIZE]);

/* "0,0;0,1" (or with blanks between them). Errors: CRDT_EINVAL, CRDT_ELIMIT, in `diag`. */
crdt_err content_parcels_parse(content_parcels *parcels, const char *text,
                               crdt_diag *diag);
/* `rows` by `cols` parcels from `base` on: x by rows, y by columns, as the builder lays
 * them out. False: too many. */
bool content_parcels_layout(content_parcels *parcels, content_parcel base,
                            uint32_t rows, uint32_t cols);
bool content_parcels_have(const content_parcels *parcels, content_parcel parcel);
/* Is `base` among them, none twice, and each next to another? Errors: CRDT_EINVAL. */
crdt_err content_parcels_check(const content_parcels *parcels, content_parcel base,
                               crdt_diag *diag);
/* The smallest corner and how far they reach. At least one parcel. */
void content_parcels_box(const content_parcels *parcels, content_parcel *corner,
                         uint32_t *width, uint32_t *height);

#endif /* CLI_CONTENT_PARCELS_H */
