#include "cli/path.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_VALUE_MAX 60 /* bytes of a value on a line for people */

/* What is found is written to memory first: the node's thread does not wait for a slow
 * reader. */
typedef struct blame_inquiry {
    const char *text;
    char *scratch;
    FILE *out;
    bool json;
    uint64_t count;
} blame_inquiry;

static void tell(blame_inquiry *inquiry, const crdt_key *key, const crdt_entry *entry,
                 bool inherited)
{
    inquiry->count++;
    if (inquiry->json) {
        cli_report report;
        cli_report_begin(&report, inquiry->out);
        cli_report_text(&report, "event", "blame");
        cli_report_key(&report, key);
        cli_report_span(&report, "who", entry->who);
        cli_report_stamp(&report, "stamp", &entry->stamp);
        if (key->depth == CRDT_FIELD) {
            cli_report_value(&report, "value", entry->value);
            cli_report_bool(&report, "shared", inherited);
        }
        cli_report_end(&report);
        return;
    }
    char stamp[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(&entry->stamp, stamp);
    fprintf(inquiry->out, "%-12.*s %s  ", (int)entry->who.size,
            entry->who.size == 0 ? "" : (const char *)entry->who.data, stamp);
    cli_report_path(inquiry->out, key);
    if (key->depth == CRDT_FIELD) {
        fputs(" = ", inquiry->out);
        cli_report_short(inquiry->out, entry->value, TEXT_VALUE_MAX);
    }
    fputs(inherited ? "  (shared)\n" : "\n", inquiry->out);
}

/* All fields of one part; only `wanted` unless that is NULL. */
static void tell_part(blame_inquiry *inquiry, const crdt_document *doc, crdt_part part,
                      const crdt_key *at, const crdt_span *wanted, bool inherited)
{
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        crdt_span name = crdt_document_field_name(doc, field);
        crdt_entry entry;
        bool own = scene_layout_is_own(name) &&
                   !crdt_span_equal(name, crdt_span_of(SCENE_NAME_VALUE));
        bool meant = wanted != NULL ? crdt_span_equal(*wanted, name) : !own;
        if (meant && crdt_document_field_value(doc, field, 0, &entry)) {
            crdt_key key = crdt_key_field(at->object, at->part, name);
            tell(inquiry, &key, &entry, inherited);
        }
    }
}

static void tell_component(blame_inquiry *inquiry, const crdt_document *doc,
                           crdt_part part, const crdt_key *key)
{
    const crdt_span *wanted = key->depth == CRDT_FIELD ? &key->field : NULL;
    scene_component component;
    scene_component_open(doc, part, &component);
    crdt_entry entry;
    if (wanted == NULL && crdt_document_part_dot(doc, part, 0, &entry)) {
        crdt_key whole = crdt_key_part(key->object, key->part);
        tell(inquiry, &whole, &entry, false);
    }
    tell_part(inquiry, doc, part, key, wanted, false);
    if (component.shared.id != 0) {
        tell_part(inquiry, doc, component.shared, key, wanted, true);
    }
}

static crdt_err inquire(void *ctx, const crdt_document *doc)
{
    blame_inquiry *inquiry = ctx;
    crdt_key key;
    crdt_err err = cli_path_resolve(inquiry->text, NULL, CRDT_OBJECT, CRDT_FIELD, doc,
                                    inquiry->scratch, &key, NULL);
    if (err != CRDT_OK || !scene_entity_live(doc, key.object)) {
        return err != CRDT_OK ? err : CRDT_ENOTFOUND;
    }
    crdt_object object = crdt_document_find_object(doc, key.object);
    crdt_entry entry;
    if (key.depth == CRDT_OBJECT && crdt_document_object_dot(doc, object, 0, &entry)) {
        tell(inquiry, &key, &entry, false);
    }
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        bool meant = key.depth == CRDT_OBJECT ? scene_layout_is_component(name, NULL)
                                              : crdt_span_equal(name, key.part);
        if (meant && crdt_document_part_live(doc, part)) {
            crdt_key at =
                key.depth == CRDT_OBJECT ? crdt_key_part(key.object, name) : key;
            tell_component(inquiry, doc, part, &at);
        }
    }
    return inquiry->count > 0 ? CRDT_OK : CRDT_ENOTFOUND;
}

int cli_cmd_blame(cli_run *run)
{
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    char *text = NULL;
    size_t size = 0;
    blame_inquiry inquiry = {
        .text = run->args->arguments[0],
        .scratch = malloc(strlen(run->args->arguments[0]) + 1),
        .out = open_memstream(&text, &size),
        .json = run->json,
    };
    crdt_err err = CRDT_ENOMEM;
    if (inquiry.scratch != NULL && inquiry.out != NULL) {
        err = sync_node_read(run->node, inquire, &inquiry);
    }
    if (inquiry.out != NULL && fclose(inquiry.out) != 0) {
        err = CRDT_ENOMEM;
    }
    if (err == CRDT_OK) {
        fwrite(text, 1, size, run->out);
    }
    free(text);
    free(inquiry.scratch);
    return err == CRDT_OK
               ? CLI_DONE
               : cli_run_fail(run, err, NULL, "find %s", run->args->arguments[0]);
}
