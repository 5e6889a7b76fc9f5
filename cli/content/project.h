#ifndef CLI_CONTENT_PROJECT_H
#define CLI_CONTENT_PROJECT_H

/* What a document says of the Builder project it came from. Pure. */

#include "crdt/document.h"

#include <stdint.h>

typedef struct content_project {
    crdt_span
        id; /* as the others: empty where it is not told; borrowed from the document */
    crdt_span title;
    crdt_span description;
    uint32_t rows; /* in parcels, of 1 to CONTENT_PARCELS_MAX; 0: not told */
    uint32_t cols;
} content_project;

void content_project_read(content_project *project, const crdt_document *doc);

#endif /* CLI_CONTENT_PROJECT_H */
