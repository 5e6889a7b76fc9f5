#ifndef CLI_SERVERS_PROJECT_RECORD_H
#define CLI_SERVERS_PROJECT_RECORD_H

/* The file of a project: what it becomes by a change. Pure. */

#include "cli/report.h"
#include "scene/json.h"
#include "scene/json_writer.h"

#define SERVERS_OWNER_LOCAL "local"

/* What a record becomes: from what it was (`old`, may be empty) and what is put. */
typedef struct servers_project_change {
    const char *id;
    const char *owner;
    crdt_span created_at;
    char updated_at[CLI_TIME_TEXT_SIZE];
    const scene_json_node *project;     /* put now; NULL: as it was */
    const scene_json_node *manifest;    /* put now, or as it was; NULL: none */
    const scene_json_node *old_project; /* NULL: there was none */
    const char *thumbnail;              /* NULL: as put, or as it was */
    const char *const *skip;            /* members that go */
} servers_project_change;

/* Append the row alone, and the whole record. Errors: CRDT_ENOMEM. */
crdt_err servers_project_record_row(const servers_project_change *change,
                                    crdt_alloc alloc, crdt_buf *out);
crdt_err servers_project_record_write(const servers_project_change *change,
                                      crdt_alloc alloc, crdt_buf *out);

#endif /* CLI_SERVERS_PROJECT_RECORD_H */
