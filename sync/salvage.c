#include "sync/salvage_impl.h"

#include "crdt/digest.h"
#include "sync/little.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((uint64_t)1 << 40)

void salvage_note(sync_salvage *s, const char *file, const char *unit, uint64_t number)
{
    if (s->report->damaged_count++ == 0) {
        snprintf(s->report->first, sizeof s->report->first, "%s, %s %" PRIu64, file,
                 unit, number);
    }
}

void salvage_keep(sync_salvage *s, crdt_buf *list, const void *row, size_t size)
{
    crdt_err err = crdt_buf_reserve(list, size);
    if (err != CRDT_OK) {
        s->err = err;
        return;
    }
    crdt_buf_append(list, row, size);
}

void salvage_keep_part(sync_salvage *s, sync_table table, uint64_t key, crdt_span bytes)
{
    salvage_part p = {table, key, bytes};
    salvage_keep(s, &s->parts, &p, sizeof p);
}

void salvage_keep_item(sync_salvage *s, salvage_found *item, crdt_span bytes)
{
    item->offset = s->content.size;
    item->size = bytes.size;
    if (bytes.size > 0) {
        salvage_keep(s, &s->content, bytes.data, bytes.size);
    }
    salvage_keep(s, &s->items, item, sizeof *item);
}

/* ---- the files ---- */

static crdt_err read_file(sync_salvage *s, const char *dir, const char *name,
                          crdt_buf *out, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    crdt_err err = sync_file_join(path, dir, name, diag);
    if (err != CRDT_OK) {
        return err;
    }
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return CRDT_ENOTFOUND;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "%.120s: %s", path,
                            sync_file_reason(errno));
    } else if (st.st_size < 0 || (uint64_t)st.st_size > FILE_SIZE_MAX) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0, "%.120s: its size is absurd", path);
    } else {
        err = crdt_buf_reserve(out, (size_t)st.st_size);
    }
    /* Sectors that the disk gives back no more are damage like another. */
    for (size_t at = 0; err == CRDT_OK && at < (size_t)st.st_size;) {
        size_t left = (size_t)st.st_size - at;
        size_t size = left < 4096 ? left : 4096;
        if (!sync_file_read(fd, out->data + at, size, at)) {
            memset(out->data + at, 0, size);
            salvage_note(s, name, "byte", at);
        }
        at += size;
        out->size = at;
    }
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

/* ---- the journal ---- */

static void take_group(void *ctx, const sync_journal_group *group)
{
    sync_salvage *s = ctx;
    crdt_span queue = group->bytes;
    uint64_t index = 0;
    if (s->head_known && group->number <= s->head.group) {
        return; /* the tables have it */
    }
    s->group_low = s->group_count == 0 || group->number < s->group_low ? group->number
                                                                       : s->group_low;
    s->group_high = group->number > s->group_high ? group->number : s->group_high;
    s->group_count++;
    /* A record: its kind, 8 bytes of size, its bytes. */
    for (size_t at = 0; queue.size - at >= QUEUED_HEAD; index++) {
        uint64_t size = sync_get_u64(queue.data + at + 1);
        if (size > queue.size - at - QUEUED_HEAD ||
            index >> SALVAGE_JOURNAL_KEY_BITS != 0) {
            break;
        }
        crdt_span record = {queue.data + at, QUEUED_HEAD + (size_t)size};
        salvage_keep_part(
            s,
            record.data[0] == SYNC_RECORD_HISTORY ? SYNC_TABLE_HISTORY : SYNC_TABLE_LOG,
            SALVAGE_JOURNAL_KEY | group->number << SALVAGE_JOURNAL_KEY_BITS | index,
            record);
        at += record.size;
    }
}

static void walk_journal(sync_salvage *s)
{
    for (size_t i = 0; i < s->token_count; i++) {
        if (i > 0 && memcmp(&s->tokens[0], &s->tokens[i], sizeof s->tokens[0]) == 0) {
            continue;
        }
        uint64_t damaged =
            sync_journal_salvage(crdt_buf_span(&s->journal),
                                 disk_journal_seed(&s->tokens[i]), take_group, s);
        for (uint64_t k = 0; k < damaged; k++) {
            salvage_note(s, "journal", "group after", s->group_high);
        }
    }
    uint64_t first = s->head_known ? s->head.group + 1 : s->group_low;
    if (s->group_count > 0 && s->group_high - first + 1 > s->group_count) {
        s->report->lost_count += s->group_high - first + 1 - s->group_count;
    }
}

/* ---- putting together ---- */

static int compare_parts(const void *a, const void *b)
{
    const salvage_part *x = a;
    const salvage_part *y = b;
    if (x->table != y->table) {
        return x->table < y->table ? -1 : 1;
    }
    return (x->key > y->key) - (x->key < y->key);
}

/* Parts sorted, each key once. Returns how many. */
static size_t sort_parts(sync_salvage *s)
{
    salvage_part *parts = (salvage_part *)(void *)s->parts.data;
    size_t count = s->parts.size / sizeof *parts;
    size_t kept = 0;
    if (count == 0) {
        return 0;
    }
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_parts(&parts[kept - 1], &parts[i]) != 0) {
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

/* A record of the tables begins at `i`: join its parts. Returns the index after it. */
static size_t join_record(sync_salvage *s, const salvage_part *parts, size_t count,
                          size_t i, sync_salvage_kind kind)
{
    size_t begin = s->content.size;
    uint8_t record = parts[i].bytes.size > 0 ? parts[i].bytes.data[0] : 0;
    for (size_t k = i; k < count; k++) {
        crdt_span bytes = parts[k].bytes;
        bool first =
            bytes.size >= FRAGMENT_HEAD && (bytes.data[1] & FRAGMENT_FIRST) != 0;
        if (bytes.size < FRAGMENT_HEAD || parts[k].table != parts[i].table ||
            parts[k].key != parts[i].key + (k - i) || first != (k == i) ||
            bytes.data[0] != record) {
            break;
        }
        if (bytes.size > FRAGMENT_HEAD) {
            salvage_keep(s, &s->content, bytes.data + FRAGMENT_HEAD,
                         bytes.size - FRAGMENT_HEAD);
        }
        if ((bytes.data[1] & FRAGMENT_LAST) != 0) {
            salvage_found item = {.kind = kind,
                                  .record = (sync_record_kind)record,
                                  .offset = begin,
                                  .size = s->content.size - begin};
            salvage_keep(s, &s->items, &item, sizeof item);
            return k + 1;
        }
    }
    s->content.size = begin; /* half a record is none */
    return i + 1;
}

static void take_records(sync_salvage *s, const salvage_part *parts, size_t count,
                         sync_table table, sync_salvage_kind kind)
{
    for (size_t i = 0; i < count && s->err == CRDT_OK;) {
        if (parts[i].table != table) {
            i++;
        } else if (parts[i].key >= SALVAGE_JOURNAL_KEY) {
            salvage_found item = {.kind = kind,
                                  .record = (sync_record_kind)parts[i].bytes.data[0]};
            salvage_keep_item(s, &item,
                              (crdt_span){parts[i].bytes.data + QUEUED_HEAD,
                                          parts[i].bytes.size - QUEUED_HEAD});
            i++;
        } else {
            i = join_record(s, parts, count, i, kind);
        }
    }
}

/* The chunks of the newest checkpoint, if all of them are there. */
static void take_checkpoint(sync_salvage *s, const salvage_part *parts, size_t count)
{
    size_t begin = s->content.size;
    uint64_t next = s->head.generation << CHUNK_KEY_BITS;
    if (!s->head_known || s->head.generation == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].table == SYNC_TABLE_CHECKPOINT && parts[i].key == next &&
            parts[i].bytes.size > FRAGMENT_HEAD) {
            salvage_keep(s, &s->content, parts[i].bytes.data + FRAGMENT_HEAD,
                         parts[i].bytes.size - FRAGMENT_HEAD);
            next++;
        }
    }
    crdt_span whole = {s->content.data + begin, s->content.size - begin};
    if (s->err == CRDT_OK && whole.size == s->head.checkpoint_size &&
        crdt_digest_equal(crdt_hash128(whole), s->head.checkpoint_hash)) {
        salvage_found item = {
            .kind = SYNC_SALVAGE_CHECKPOINT, .offset = begin, .size = whole.size};
        salvage_keep(s, &s->items, &item, sizeof item);
        return;
    }
    s->content.size = begin;
    s->report->checkpoint_lost = true;
}

/* Parts between `first` and `next` that are not there. */
static uint64_t count_lost(const salvage_part *parts, size_t count, sync_table table,
                           uint64_t first, uint64_t next)
{
    uint64_t there = 0;
    for (size_t i = 0; i < count; i++) {
        there += parts[i].table == table && parts[i].key >= first && parts[i].key < next
                     ? 1
                     : 0;
    }
    return next > first && next - first > there ? next - first - there : 0;
}

static crdt_err put_together(sync_salvage *s)
{
    size_t count = sort_parts(s);
    const salvage_part *parts = (const salvage_part *)(const void *)s->parts.data;
    take_checkpoint(s, parts, count);
    take_records(s, parts, count, SYNC_TABLE_LOG, SYNC_SALVAGE_RECORD);
    take_records(s, parts, count, SYNC_TABLE_HISTORY, SYNC_SALVAGE_HISTORY);
    s->report->headless = !s->head_known;
    if (s->head_known) {
        const disk_head *h = &s->head;
        s->report->lost_count +=
            count_lost(parts, count, SYNC_TABLE_LOG, h->log_first, h->log_next) +
            count_lost(parts, count, SYNC_TABLE_HISTORY, h->history_first,
                       h->history_next);
    }
    return s->err;
}

/* ---- opening ---- */

void sync_salvage_close(sync_salvage *s)
{
    if (s == NULL) {
        return;
    }
    crdt_buf *all[] = {&s->tables, &s->journal, &s->seen,
                       &s->parts,  &s->items,   &s->content};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        crdt_buf_deinit(all[i]);
    }
    crdt_free(s->alloc, s, sizeof *s);
}

static crdt_err read_all(sync_salvage *s, const char *dir, crdt_diag *diag)
{
    crdt_err err = read_file(s, dir, "data.mdb", &s->tables, diag);
    if (err == CRDT_ENOTFOUND) {
        salvage_note(s, "data.mdb", "byte", 0);
        err = CRDT_OK;
    }
    if (err == CRDT_OK) {
        err = read_file(s, dir, "journal", &s->journal, diag);
        err = err == CRDT_ENOTFOUND ? CRDT_OK : err; /* there need not be one */
    }
    if (err == CRDT_OK) {
        err = salvage_walk(s);
    }
    if (err == CRDT_EVERSION) {
        return crdt_diag_set(diag, err, 0, "the store is of another format");
    }
    if (err == CRDT_OK) {
        walk_journal(s);
        err = put_together(s);
    }
    return err;
}

crdt_err sync_salvage_open(sync_salvage **out, const char *dir, crdt_alloc alloc,
                           sync_salvage_report *report, crdt_diag *diag)
{
    *report = (sync_salvage_report){0};
    sync_salvage *s = crdt_allocate(alloc, sizeof *s);
    if (s == NULL) {
        return CRDT_ENOMEM;
    }
    *s = (sync_salvage){.alloc = alloc, .report = report};
    crdt_buf *all[] = {&s->tables, &s->journal, &s->seen,
                       &s->parts,  &s->items,   &s->content};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        crdt_buf_init(all[i], alloc);
    }
    crdt_err err = read_all(s, dir, diag);
    if (err != CRDT_OK) {
        sync_salvage_close(s);
        return err;
    }
    *out = s;
    return CRDT_OK;
}

bool sync_salvage_next(const sync_salvage *s, size_t *index, sync_salvage_item *item)
{
    if (*index >= s->items.size / sizeof(salvage_found)) {
        return false;
    }
    const salvage_found *found =
        (const salvage_found *)(const void *)s->items.data + *index;
    *index += 1;
    *item = (sync_salvage_item){
        .kind = found->kind,
        .record = found->record,
        .name = found->name,
        .bytes = {s->content.data + found->offset, found->size},
    };
    return true;
}
