#include "cli/changes.h"

#include <inttypes.h>

#define TEXT_VALUE_MAX 60 /* bytes of a value on a line for people */

static const char *const kind_names[] = {"add", "remove", "set", "unset"};

/* The value that operation `index` replaced, if it was shown. */
static const crdt_history_drop *find_former(const crdt_history_record *record,
                                            size_t index)
{
    const crdt_history_drop *found = NULL;
    for (size_t i = 0; i < record->drop_count; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (drop->op_index == index && drop->was_live &&
            drop->key.depth == CRDT_FIELD &&
            crdt_key_equal(&drop->key, &record->ops[index].key)) {
            found = drop;
        }
    }
    return found;
}

static void print_text(cli_run *run, const crdt_history_record *record)
{
    char time[CLI_TIME_TEXT_SIZE];
    char author[CRDT_ACTOR_TEXT_SIZE];
    cli_report_time(record->wall_ms, time);
    crdt_actor_format(&record->author, author);
    fprintf(run->out, "%s  %s", time, crdt_origin_name(record->origin));
    if (record->origin == CRDT_ORIGIN_ANSWER) {
        fputs(": caught up with others", run->out);
    } else {
        bool told = record->who.size > 0;
        fprintf(run->out, " by %.*s, %" PRIu64 "@%.8s",
                told ? (int)record->who.size : 7,
                told ? (const char *)record->who.data : "unknown", record->first_time,
                author);
    }
    if (record->step.size > 0) {
        fprintf(run->out, ", step %.*s", (int)record->step.size,
                (const char *)record->step.data);
    }
    fputc('\n', run->out);
    for (size_t i = 0; i < record->op_count; i++) {
        const crdt_op *op = &record->ops[i];
        fprintf(run->out, "    %s ", kind_names[op->kind]);
        cli_report_path(run->out, &op->key);
        if (op->kind == CRDT_OP_SET) {
            fputs(" = ", run->out);
            cli_report_short(run->out, op->value, TEXT_VALUE_MAX);
        }
        const crdt_history_drop *former = find_former(record, i);
        if (former != NULL) {
            fputs("   was ", run->out);
            cli_report_short(run->out, former->entry.value, TEXT_VALUE_MAX);
        }
        fputc('\n', run->out);
    }
}

/* All values that operation `index` dropped, those too that a concurrent one hid: what its
 * author had seen of them. */
static void report_dropped(cli_report *report, const crdt_history_record *record,
                           size_t index)
{
    bool any = false;
    for (size_t i = 0; i < record->drop_count; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (drop->op_index != index || drop->key.depth != CRDT_FIELD) {
            continue;
        }
        if (!any) {
            cli_report_open(report, "dropped", '[');
            any = true;
        }
        cli_report_open(report, NULL, '{');
        cli_report_key(report, &drop->key);
        cli_report_stamp(report, "stamp", &drop->entry.stamp);
        cli_report_bool(report, "shown", drop->was_live);
        cli_report_value(report, "value", drop->entry.value);
        cli_report_close(report, '}');
    }
    if (any) {
        cli_report_close(report, ']');
    }
}

static void report_ops(cli_report *report, const crdt_history_record *record)
{
    cli_report_open(report, "operations", '[');
    for (size_t i = 0; i < record->op_count; i++) {
        const crdt_op *op = &record->ops[i];
        cli_report_open(report, NULL, '{');
        cli_report_text(report, "kind", kind_names[op->kind]);
        cli_report_key(report, &op->key);
        if (op->kind == CRDT_OP_SET) {
            cli_report_value(report, "value", op->value);
        }
        const crdt_history_drop *former = find_former(record, i);
        if (former != NULL) {
            cli_report_value(report, "was", former->entry.value);
        }
        report_dropped(report, record, i);
        cli_report_close(report, '}');
    }
    cli_report_close(report, ']');
}

static void print_json(cli_run *run, const char *event,
                       const crdt_history_record *record)
{
    crdt_stamp first = {.time = record->first_time, .actor = record->author};
    crdt_stamp last = {.time = record->last_time, .actor = record->author};
    cli_report report;
    cli_report_begin(&report, run->out);
    cli_report_text(&report, "event", event);
    cli_report_text(&report, "origin", crdt_origin_name(record->origin));
    cli_report_number(&report, "time", record->wall_ms);
    if (record->origin != CRDT_ORIGIN_ANSWER) {
        cli_report_stamp(&report, "first", &first);
        cli_report_stamp(&report, "last", &last);
        cli_report_span(&report, "who", record->who);
    }
    if (record->step.size > 0) {
        cli_report_span(&report, "step", record->step);
    }
    if (record->target.time != 0) {
        cli_report_stamp(&report, "target", &record->target);
    }
    report_ops(&report, record);
    cli_report_end(&report);
}

crdt_err cli_changes_print(cli_run *run, const char *event, crdt_span bytes)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_history_record record;
    crdt_err err = crdt_history_decode(bytes, &arena, &record, NULL);
    if (err == CRDT_OK && run->json) {
        print_json(run, event, &record);
    } else if (err == CRDT_OK) {
        print_text(run, &record);
        fflush(run->out);
    }
    crdt_arena_deinit(&arena);
    return err;
}
