#include "tests/cluster/edit_log.h"

#include "crdt/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 8192

void edit_log_object_name(unsigned object, char name[16])
{
    snprintf(name, 16, "e%u", object);
}

void edit_log_field_name(unsigned field, char name[16])
{
    snprintf(name, 16, "f%u", field);
}

static void write_line(int fd, const char *line, size_t size)
{
    if (write(fd, line, size) != (ssize_t)size) {
        perror("edit log");
        abort();
    }
}

void edit_log_meant(int fd, const logged_edit *edit)
{
    char line[LINE_SIZE];
    char stamp[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(&edit->first, stamp);
    int size = snprintf(line, sizeof line, "I %" PRIu64 " %s %c %u %u %" PRId64 " %u",
                        edit->number, stamp, edit->is_remove ? 'r' : 's', edit->object,
                        edit->field, edit->value, edit->adds);
    for (size_t i = 0; i < edit->seen.stamp_count; i++) {
        crdt_stamp_format(&edit->seen.stamps[i], stamp);
        size += snprintf(line + size, sizeof line - (size_t)size, " %s", stamp);
    }
    size += snprintf(line + size, sizeof line - (size_t)size, "\n");
    write_line(fd, line, (size_t)size);
}

void edit_log_acknowledged(int fd, uint64_t number)
{
    char line[32];
    int size = snprintf(line, sizeof line, "A %" PRIu64 "\n", number);
    write_line(fd, line, (size_t)size);
}

static void bad_line(const char *line)
{
    fprintf(stderr, "edit log: no such line: %s\n", line);
    abort();
}

static logged_edit *push_edit(edit_log *log)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity * 2 + 64;
        log->edits = realloc(log->edits, log->capacity * sizeof *log->edits);
        if (log->edits == NULL) {
            abort();
        }
    }
    return &log->edits[log->count++];
}

static void read_meant(edit_log *log, char *line)
{
    logged_edit edit = {0};
    char stamp[64];
    char kind = 0;
    int used = 0;
    if (sscanf(line, "I %" SCNu64 " %63s %c %u %u %" SCNd64 " %u%n", &edit.number,
               stamp, &kind, &edit.object, &edit.field, &edit.value, &edit.adds,
               &used) != 7 ||
        !crdt_stamp_parse(stamp, &edit.first)) {
        bad_line(line);
    }
    edit.is_remove = kind == 'r';
    crdt_version_init(&edit.seen, crdt_alloc_default());
    char *rest = NULL;
    for (char *word = strtok_r(line + used, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        crdt_stamp seen;
        if (!crdt_stamp_parse(word, &seen) ||
            crdt_version_raise(&edit.seen, &seen) != CRDT_OK) {
            bad_line(word);
        }
    }
    *push_edit(log) = edit;
}

/* Numbers of one file only: those of the edits read last. */
static void read_acknowledged(edit_log *log, size_t first, const char *line)
{
    uint64_t number = 0;
    if (sscanf(line, "A %" SCNu64, &number) != 1) {
        bad_line(line);
    }
    for (size_t i = log->count; i-- > first;) {
        if (log->edits[i].number == number) {
            log->acknowledged_count += !log->edits[i].acknowledged;
            log->edits[i].acknowledged = true;
            return;
        }
    }
    bad_line(line);
}

void edit_log_read(edit_log *log, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[LINE_SIZE];
    size_t first = log->count;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strchr(line, '\n') == NULL) {
            break; /* it is being written */
        }
        if (line[0] == 'I') {
            read_meant(log, line);
        } else {
            read_acknowledged(log, first, line);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

void edit_log_free(edit_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        crdt_version_deinit(&log->edits[i].seen);
    }
    free(log->edits);
    *log = (edit_log){0};
}

/* ---- the check ---- */

/* A batch is: add object?, add part?, set; so its set has the last stamp. */
static crdt_stamp set_stamp(const logged_edit *edit)
{
    crdt_stamp stamp = edit->first;
    stamp.time += (edit->adds & 1) + (edit->adds >> 1 & 1);
    return stamp;
}

static crdt_field find_field(const crdt_document *doc, const logged_edit *edit)
{
    char name[16];
    edit_log_object_name(edit->object, name);
    crdt_object object = crdt_document_find_object(doc, crdt_span_of(name));
    if (object.id == 0) {
        return (crdt_field){0};
    }
    crdt_part part = crdt_document_find_part(doc, object, crdt_span_of("p"));
    if (part.id == 0) {
        return (crdt_field){0};
    }
    edit_log_field_name(edit->field, name);
    return crdt_document_find_field(doc, part, crdt_span_of(name));
}

static bool is_held(const crdt_document *doc, const logged_edit *edit)
{
    crdt_field field = find_field(doc, edit);
    crdt_stamp stamp = set_stamp(edit);
    crdt_entry entry;
    for (size_t i = 0;
         field.id != 0 && crdt_document_field_value(doc, field, i, &entry); i++) {
        if (crdt_stamp_compare(&entry.stamp, &stamp) == 0) {
            crdt_value_reader reader = crdt_value_read_open(entry.value);
            return crdt_value_read(&reader).integer == edit->value;
        }
    }
    return false;
}

/* Did `later` see `edit` and replace or remove what it wrote? Only edits that took effect
 * count: the document's version covers them. */
static bool overwrites(const logged_edit *later, const logged_edit *edit,
                       const crdt_version *version)
{
    crdt_stamp stamp = set_stamp(edit);
    bool same = later->is_remove || later->adds != 0 || later->field == edit->field;
    return later != edit && same && crdt_version_covers(&later->seen, &stamp) &&
           crdt_version_covers(version, &later->first);
}

/* What a remove had seen must be gone. */
static bool remove_holds(const crdt_document *doc, const logged_edit *edit)
{
    char name[16];
    edit_log_object_name(edit->object, name);
    crdt_object object = crdt_document_find_object(doc, crdt_span_of(name));
    crdt_entry entry;
    for (size_t i = 0;
         object.id != 0 && crdt_document_object_dot(doc, object, i, &entry); i++) {
        if (crdt_version_covers(&edit->seen, &entry.stamp)) {
            return false;
        }
    }
    for (unsigned f = 0; f < EDIT_FIELDS; f++) {
        logged_edit probe = *edit;
        probe.field = f;
        crdt_field field = find_field(doc, &probe);
        for (size_t i = 0;
             field.id != 0 && crdt_document_field_value(doc, field, i, &entry); i++) {
            if (crdt_version_covers(&edit->seen, &entry.stamp)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_accounted_for(const edit_log *log, const size_t *same, size_t same_count,
                             const crdt_document *doc, const logged_edit *edit)
{
    if (edit->is_remove) {
        return remove_holds(doc, edit);
    }
    if (is_held(doc, edit)) {
        return true;
    }
    for (size_t i = 0; i < same_count; i++) {
        if (overwrites(&log->edits[same[i]], edit, crdt_document_version(doc))) {
            return true;
        }
    }
    return false;
}

size_t edit_log_check(const edit_log *log, const crdt_document *doc)
{
    size_t missing = 0;
    size_t *same = calloc(log->count + 1, sizeof *same);
    if (same == NULL) {
        abort();
    }
    for (unsigned object = 0; object < EDIT_OBJECTS; object++) {
        size_t same_count = 0;
        for (size_t i = 0; i < log->count; i++) {
            if (log->edits[i].object == object) {
                same[same_count++] = i;
            }
        }
        for (size_t i = 0; i < same_count; i++) {
            const logged_edit *edit = &log->edits[same[i]];
            if (edit->acknowledged &&
                !is_accounted_for(log, same, same_count, doc, edit)) {
                char stamp[CRDT_STAMP_TEXT_SIZE];
                crdt_stamp_format(&edit->first, stamp);
                fprintf(stderr, "lost: %s of e%u.p.f%u = %" PRId64 ", stamp %s\n",
                        edit->is_remove ? "remove" : "set", edit->object, edit->field,
                        edit->value, stamp);
                missing++;
            }
        }
    }
    free(same);
    return missing;
}
