#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/* The table of all verbs: what each takes, what is said about it, what runs it. */

#include "cli/args.h"

#define CLI_VERSION "0.1.0"

extern const cli_verb cli_verbs[];
extern const size_t cli_verb_count;

/* What scenesync is, and how entities, components and fields are named: for the man
 * page. */
extern const char cli_about[];
extern const char cli_about_names[];

/* NULL if there is none of this name. */
const cli_verb *cli_verb_find(const char *name);

/* Each in its own file, cli/cmd_<verb>.c; returns the exit code. */
int cli_cmd_access(struct cli_run *run);
int cli_cmd_codegen(struct cli_run *run);
int cli_cmd_fuzz(struct cli_run *run);
int cli_cmd_kernel(struct cli_run *run);
int cli_cmd_play(struct cli_run *run);
int cli_cmd_import(struct cli_run *run);
int cli_cmd_export(struct cli_run *run);
int cli_cmd_node(struct cli_run *run);
int cli_cmd_publish(struct cli_run *run);
int cli_cmd_unpublish(struct cli_run *run);
int cli_cmd_sync(struct cli_run *run);
int cli_cmd_add(struct cli_run *run);
int cli_cmd_remove(struct cli_run *run);
int cli_cmd_set(struct cli_run *run);
int cli_cmd_unset(struct cli_run *run);
int cli_cmd_move(struct cli_run *run);
int cli_cmd_undo(struct cli_run *run);
int cli_cmd_redo(struct cli_run *run);
int cli_cmd_status(struct cli_run *run);
int cli_cmd_key(struct cli_run *run);
int cli_cmd_log(struct cli_run *run);
int cli_cmd_conflicts(struct cli_run *run);
int cli_cmd_blame(struct cli_run *run);
int cli_cmd_diff(struct cli_run *run);
int cli_cmd_verify(struct cli_run *run);
int cli_cmd_repair(struct cli_run *run);
int cli_cmd_servers(struct cli_run *run);
int cli_cmd_watch(struct cli_run *run);
int cli_cmd_worker(struct cli_run *run);

#endif /* CLI_VERBS_H */
