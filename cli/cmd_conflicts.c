#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/tree.h"

#include <inttypes.h>
#include <stdlib.h>

#define TEXT_VALUE_MAX 100 /* bytes of a value on a line for people */

/* What is found is written to memory first: the node's thread does not wait for a slow
 * reader. */
typedef struct conflict_listing {
    FILE *out;
    bool json;
    uint64_t count;
} conflict_listing;

static const char *kind_name(crdt_conflict_kind kind)
{
    switch (kind) {
    case CRDT_CONFLICT_CONCURRENT:
        return "concurrent";
    case CRDT_CONFLICT_REMOVED:
        return "edited-while-removed";
    case CRDT_CONFLICT_STALE:
        return "stale";
    }
    return "unknown";
}

static void report_entry(cli_report *report, const char *key, const crdt_entry *entry)
{
    cli_report_open(report, key, '{');
    cli_report_value(report, "value", entry->value);
    cli_report_stamp(report, "stamp", &entry->stamp);
    cli_report_span(report, "who", entry->who);
    cli_report_close(report, '}');
}

static void print_entry(FILE *out, const char *title, const crdt_entry *entry)
{
    char actor[CRDT_ACTOR_TEXT_SIZE];
    crdt_actor_format(&entry->stamp.actor, actor);
    fprintf(out, "    %s ", title);
    cli_report_short(out, entry->value, TEXT_VALUE_MAX);
    fprintf(out, "  by %.*s, %" PRIu64 "@%.8s\n", (int)entry->who.size,
            (const char *)entry->who.data, entry->stamp.time, actor);
}

static bool list_one(void *ctx, const char *kind, const crdt_conflict *conflict)
{
    conflict_listing *listing = ctx;
    bool field = conflict->key.depth == CRDT_FIELD;
    bool has_winner = conflict->winner.stamp.time != 0;
    listing->count++;
    if (listing->json) {
        cli_report report;
        cli_report_begin(&report, listing->out);
        cli_report_text(&report, "event", "conflict");
        cli_report_text(&report, "kind", kind);
        cli_report_key(&report, &conflict->key);
        if (field) {
            report_entry(&report, "hidden", &conflict->loser);
        }
        if (has_winner) {
            report_entry(&report, "shown", &conflict->winner);
        }
        cli_report_end(&report);
    } else {
        fprintf(listing->out, "%s ", kind);
        cli_report_path(listing->out, &conflict->key);
        fputc('\n', listing->out);
        if (has_winner) {
            print_entry(listing->out, "shown ", &conflict->winner);
        }
        if (field) {
            print_entry(listing->out, "hidden", &conflict->loser);
        }
    }
    return !ferror(listing->out);
}

static bool list_conflict(void *ctx, const crdt_conflict *conflict)
{
    return list_one(ctx, kind_name(conflict->kind), conflict);
}

static void list_repair(conflict_listing *listing, const scene_place *place)
{
    listing->count++;
    crdt_key key = crdt_key_object(place->id);
    const char *kind = scene_repair_name(place->repair);
    if (listing->json) {
        cli_report report;
        cli_report_begin(&report, listing->out);
        cli_report_text(&report, "event", "conflict");
        cli_report_text(&report, "kind", kind);
        cli_report_key(&report, &key);
        cli_report_span(&report, "parent", place->wanted);
        cli_report_end(&report);
        return;
    }
    crdt_key parent = crdt_key_object(place->wanted);
    fprintf(listing->out, "%s ", kind);
    cli_report_path(listing->out, &key);
    fputs(": shown under the root instead of ", listing->out);
    cli_report_path(listing->out, &parent);
    fputc('\n', listing->out);
}

static crdt_err list_repairs(conflict_listing *listing, const crdt_document *doc)
{
    scene_tree *tree = NULL;
    crdt_err err = scene_tree_open(&tree, crdt_alloc_default());
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    if (err == CRDT_OK) {
        size_t index = 0;
        scene_place place;
        while (scene_tree_next(tree, &index, &place)) {
            if (place.repair != SCENE_REPAIR_NONE) {
                list_repair(listing, &place);
            }
        }
    }
    scene_tree_close(tree);
    return err;
}

static crdt_err list_all(void *ctx, const crdt_document *doc)
{
    crdt_err err = list_repairs(ctx, doc);
    return err == CRDT_OK ? crdt_document_conflicts(doc, list_conflict, ctx) : err;
}

static int list(cli_run *run)
{
    char *text = NULL;
    size_t size = 0;
    conflict_listing listing = {.out = open_memstream(&text, &size), .json = run->json};
    if (listing.out == NULL) {
        return cli_run_fail(run, CRDT_ENOMEM, NULL, "list the conflicts");
    }
    crdt_err err = sync_node_read(run->node, list_all, &listing);
    if (err == CRDT_OK && run->host != NULL && run->host->clashes != NULL) {
        err = run->host->clashes(run->host->ctx, list_one, &listing);
    }
    if (fclose(listing.out) != 0 && err == CRDT_OK) {
        err = CRDT_ENOMEM;
    }
    if (err == CRDT_OK) {
        fwrite(text, 1, size, run->out);
        if (listing.count == 0 && !run->json) {
            fputs("no conflicts\n", run->out);
        }
    }
    free(text);
    return err == CRDT_OK ? CLI_DONE
                          : cli_run_fail(run, err, NULL, "list the conflicts");
}

int cli_cmd_conflicts(cli_run *run)
{
    bool clear = cli_args_has(run->args, "--clear");
    if (!cli_run_open(run, clear ? CLI_OPEN_EDIT : CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    if (!clear) {
        return list(run);
    }
    sync_edit_result result = {0};
    crdt_err err = sync_node_housekeep(run->node, NULL, &result);
    if (run->host != NULL && run->host->forget_clashes != NULL &&
        (err == CRDT_OK || err == CRDT_ENOTHING)) {
        crdt_err forgotten = run->host->forget_clashes(run->host->ctx);
        err = forgotten == CRDT_OK ? err : forgotten;
    }
    return cli_run_edited(run, err, &result);
}
