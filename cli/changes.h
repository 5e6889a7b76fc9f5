#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

/* History records for people: what `log` and `watch` print. */

#include "cli/run.h"
#include "crdt/history.h"

/* Print one record as text or as one JSON object ({"event":...}). `event`: "edit" in the
 * log; watch says "change". Errors: of crdt_history_decode. */
crdt_err cli_changes_print(cli_run *run, const char *event, crdt_span record);

#endif /* CLI_CHANGES_H */
