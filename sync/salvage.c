#include "sync/salvage.h"

#include "crdt/digest.h"
#include "sync/little.h"
#include "sync/page_form.h"
#include "sync/store_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_NAMES = SYNC_TABLE_COUNT, TREE_COUNT, META_COUNT = 2, TOKEN_MAX = 2 };
enum { QUEUED_HEAD = 9 }; /* of a record in a group of the journal */
#define FILE_SIZE_MAX ((uint64_t)1 << 40)
#define JOURNAL_KEY (UINT64_C(1) << 60) /* keys from here on: records of the journal */
#define JOURNAL_KEY_BITS 24 /* group, then number of the record in the group */

/* A value that was found whole. */
typedef struct part {
    sync_table table;
    uint64_t key;
    crdt_span bytes; /* in a file */
} part;

typedef struct found_item {
    sync_salvage_kind kind;
    sync_record_kind record;
    char name[SYNC_STORE_SETTING_KEY_MAX + 1];
    size_t offset, size; /* in `content` */
} found_item;

struct sync_salvage {
    crdt_alloc alloc;
    sync_salvage_report *report;
    crdt_buf tables, journal; /* the files */
    size_t page_size;
    uint64_t page_count;
    crdt_buf seen; /* a bit for each page and tree */
    crdt_buf parts, items, content;
    disk_head head; /* the newest that is whole */
    bool head_known;
    sync_token tokens[TOKEN_MAX];
    size_t token_count;
    uint64_t group_low, group_high, group_count; /* of the journal */
    crdt_err err;                                /* CRDT_ENOMEM, CRDT_EVERSION */
};

static void note_damage(sync_salvage *s, const char *file, const char *unit,
                        uint64_t number)
{
    if (s->report->damaged_count++ == 0) {
        snprintf(s->report->first, sizeof s->report->first, "%s, %s %" PRIu64, file,
                 unit, number);
    }
}

static void keep(sync_salvage *s, crdt_buf *list, const void *row, size_t size)
{
    crdt_err err = crdt_buf_reserve(list, size);
    if (err != CRDT_OK) {
        s->err = err;
        return;
    }
    crdt_buf_append(list, row, size);
}

static void keep_part(sync_salvage *s, sync_table table, uint64_t key, crdt_span bytes)
{
    part p = {table, key, bytes};
    keep(s, &s->parts, &p, sizeof p);
}

static void keep_item(sync_salvage *s, found_item *item, crdt_span bytes)
{
    item->offset = s->content.size;
    item->size = bytes.size;
    if (bytes.size > 0) {
        keep(s, &s->content, bytes.data, bytes.size);
    }
    keep(s, &s->items, item, sizeof *item);
}

/* ---- named values ---- */

static void take_head(sync_salvage *s, crdt_span bytes)
{
    disk_head head;
    crdt_err err = disk_decode_head(bytes, &head, NULL);
    if (err == CRDT_EVERSION) {
        s->err = err;
    } else if (err == CRDT_OK && (!s->head_known || head.txn > s->head.txn)) {
        s->head = head;
        s->head_known = true;
    }
}

static void take_identity(sync_salvage *s, crdt_span bytes)
{
    if (bytes.size == 16 + SYNC_TOKEN_SIZE && s->token_count < TOKEN_MAX) {
        memcpy(s->tokens[s->token_count++].bytes, bytes.data + 16, SYNC_TOKEN_SIZE);
    }
}

/* The newer meta page is read first: what is known already stays. */
static void take_setting(sync_salvage *s, const char *name, crdt_span bytes)
{
    found_item item = {.kind = SYNC_SALVAGE_SETTING};
    snprintf(item.name, sizeof item.name, "%s", name);
    for (size_t at = 0; at < s->items.size; at += sizeof item) {
        found_item known;
        memcpy(&known, s->items.data + at, sizeof known);
        if (strcmp(known.name, item.name) == 0) {
            return;
        }
    }
    keep_item(s, &item, bytes);
}

/* False: its seal is broken. */
static bool take_named(sync_salvage *s, crdt_span key, crdt_span value)
{
    char name[SYNC_TABLE_NAME_MAX + 1];
    crdt_span bytes;
    if (key.size < 2 || key.size > SYNC_TABLE_NAME_MAX || key.data[0] != '=') {
        return false;
    }
    memcpy(name, key.data + 1, key.size - 1);
    name[key.size - 1] = '\0';
    if (!sync_table_unseal_named(name, value, &bytes)) {
        return false;
    }
    if (strcmp(name, "head") == 0) {
        take_head(s, bytes);
    } else if (strcmp(name, "identity") == 0) {
        take_identity(s, bytes);
    } else if (strncmp(name, "set:", 4) == 0 &&
               strlen(name + 4) <= SYNC_STORE_SETTING_KEY_MAX) {
        take_setting(s, name + 4, bytes);
    }
    return true;
}

/* ---- trees ---- */

static void walk_page(sync_salvage *s, unsigned tree, uint64_t number, unsigned level);

/* A record of the list of tables: walk the table. */
static bool take_table(sync_salvage *s, crdt_span key, crdt_span value)
{
    static const char *const names[SYNC_TABLE_COUNT] = {"log", "history", "checkpoint"};
    if (value.size != DB_SIZE) {
        return false;
    }
    for (unsigned i = 0; i < SYNC_TABLE_COUNT; i++) {
        if (crdt_span_equal(key, crdt_span_of(names[i]))) {
            uint64_t root = sync_get_u64(value.data + 40);
            if (root != PAGE_NONE) {
                walk_page(s, i, root, 0);
            }
            return true;
        }
    }
    return false;
}

/* A long value lies on pages of its own. */
static bool find_long(const sync_salvage *s, crdt_span place, uint64_t size,
                      crdt_span *value)
{
    uint64_t page = place.size >= 8 ? sync_get_u64(place.data) : 0;
    if (page < META_COUNT || page >= s->page_count) {
        return false;
    }
    uint64_t at = page * s->page_size + PAGE_HEADER;
    if (size > s->tables.size || at > s->tables.size - size) {
        return false;
    }
    *value = (crdt_span){s->tables.data + at, (size_t)size};
    return true;
}

static bool take_leaf_node(sync_salvage *s, unsigned tree, const uint8_t *node,
                           size_t room)
{
    size_t key_size = sync_get_u16(node + 6);
    uint64_t size = sync_get_u32(node);
    unsigned flags = sync_get_u16(node + 4);
    if (key_size > room - NODE_HEADER) {
        return false;
    }
    crdt_span key = {node + NODE_HEADER, key_size};
    crdt_span value = {key.data + key_size, room - NODE_HEADER - key_size};
    if ((flags & NODE_BIG) != 0) {
        if (!find_long(s, value, size, &value)) {
            return false;
        }
    } else if (size > value.size) {
        return false;
    }
    value.size = (size_t)size;
    if (tree == TREE_NAMES) {
        return (flags & NODE_TABLE) != 0 ? take_table(s, key, value)
                                         : take_named(s, key, value);
    }
    crdt_span bytes;
    if (key.size != 8 || sync_get_u64(key.data) >= JOURNAL_KEY ||
        !sync_table_unseal((sync_table)tree, sync_get_u64(key.data), value, &bytes)) {
        return false;
    }
    keep_part(s, (sync_table)tree, sync_get_u64(key.data), bytes);
    return true;
}

static bool was_seen(sync_salvage *s, unsigned tree, uint64_t number)
{
    uint64_t bit = number * TREE_COUNT + tree;
    uint8_t *byte = s->seen.data + bit / 8;
    uint8_t mask = (uint8_t)(1u << bit % 8);
    bool seen = (*byte & mask) != 0;
    *byte |= mask;
    return seen;
}

static bool walk_nodes(sync_salvage *s, unsigned tree, const uint8_t *page,
                       unsigned level)
{
    size_t lower = sync_get_u16(page + 12);
    bool branch = sync_get_u16(page + 10) == PAGE_BRANCH;
    if (lower < PAGE_HEADER || lower > s->page_size) {
        return false;
    }
    bool sound = true;
    for (size_t i = 0; i < (lower - PAGE_HEADER) / 2; i++) {
        size_t at = sync_get_u16(page + PAGE_HEADER + 2 * i);
        if (at < lower || at + NODE_HEADER > s->page_size) {
            sound = false;
        } else if (branch) {
            const uint8_t *node = page + at;
            walk_page(s, tree,
                      sync_get_u32(node) | (uint64_t)sync_get_u16(node + 4) << 32,
                      level + 1);
        } else {
            sound = take_leaf_node(s, tree, page + at, s->page_size - at) && sound;
        }
    }
    return sound;
}

/* Recursion is bounded by DEPTH_MAX; each page is walked once for each tree. */
static void walk_page(sync_salvage *s, unsigned tree, uint64_t number, unsigned level)
{
    bool there = number >= META_COUNT && number < s->page_count && level < DEPTH_MAX;
    if (there && was_seen(s, tree, number)) {
        return;
    }
    const uint8_t *page = s->tables.data + (there ? number : 0) * s->page_size;
    unsigned kind = there ? sync_get_u16(page + 10) : 0;
    if (!there || sync_get_u64(page) != number ||
        (kind != PAGE_BRANCH && kind != PAGE_LEAF) ||
        !walk_nodes(s, tree, page, level)) {
        note_damage(s, "data.mdb", "page", number);
    }
}

/* ---- the files ---- */

static bool is_page_size(uint32_t size)
{
    return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

/* The root of the list of tables that meta page `index` names, and its transaction. */
static bool read_meta(const sync_salvage *s, unsigned index, uint64_t *root,
                      uint64_t *txn)
{
    uint64_t at = index * s->page_size;
    if (s->tables.size < at + META_END) {
        return false;
    }
    const uint8_t *meta = s->tables.data + at;
    *root = sync_get_u64(meta + META_MAIN + 40);
    *txn = sync_get_u64(meta + META_TXN);
    return sync_get_u32(meta + 16) == META_MAGIC && *root != PAGE_NONE;
}

static void find_page_size(sync_salvage *s)
{
    s->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (s->tables.size >= META_END && sync_get_u32(s->tables.data + 16) == META_MAGIC &&
        is_page_size(sync_get_u32(s->tables.data + META_FREE))) {
        s->page_size = sync_get_u32(s->tables.data + META_FREE);
    }
    s->page_count = s->tables.size / s->page_size;
}

static crdt_err walk_tables(sync_salvage *s)
{
    find_page_size(s);
    size_t seen_size = (size_t)(s->page_count * TREE_COUNT / 8 + 1);
    crdt_err err = crdt_buf_reserve(&s->seen, seen_size);
    if (err != CRDT_OK) {
        return err;
    }
    memset(s->seen.data, 0, seen_size);
    uint64_t roots[META_COUNT];
    uint64_t txns[META_COUNT] = {0, 0};
    bool there[META_COUNT];
    for (unsigned i = 0; i < META_COUNT; i++) {
        there[i] = read_meta(s, i, &roots[i], &txns[i]);
        if (!there[i]) {
            note_damage(s, "data.mdb", "page", i);
        }
    }
    unsigned newer = txns[1] > txns[0] ? 1 : 0;
    for (unsigned i = 0; i < META_COUNT; i++) {
        unsigned index = i == 0 ? newer : 1 - newer;
        if (there[index]) {
            walk_page(s, TREE_NAMES, roots[index], 0);
        }
    }
    return s->err;
}

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
            note_damage(s, name, "byte", at);
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
        if (size > queue.size - at - QUEUED_HEAD || index >> JOURNAL_KEY_BITS != 0) {
            break;
        }
        crdt_span record = {queue.data + at, QUEUED_HEAD + (size_t)size};
        keep_part(s,
                  record.data[0] == SYNC_RECORD_HISTORY ? SYNC_TABLE_HISTORY
                                                        : SYNC_TABLE_LOG,
                  JOURNAL_KEY | group->number << JOURNAL_KEY_BITS | index, record);
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
            note_damage(s, "journal", "group after", s->group_high);
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
    const part *x = a;
    const part *y = b;
    if (x->table != y->table) {
        return x->table < y->table ? -1 : 1;
    }
    return (x->key > y->key) - (x->key < y->key);
}

/* Parts sorted, each key once. Returns how many. */
static size_t sort_parts(sync_salvage *s)
{
    part *parts = (part *)(void *)s->parts.data;
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
static size_t join_record(sync_salvage *s, const part *parts, size_t count, size_t i,
                          sync_salvage_kind kind)
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
            keep(s, &s->content, bytes.data + FRAGMENT_HEAD,
                 bytes.size - FRAGMENT_HEAD);
        }
        if ((bytes.data[1] & FRAGMENT_LAST) != 0) {
            found_item item = {.kind = kind,
                               .record = (sync_record_kind)record,
                               .offset = begin,
                               .size = s->content.size - begin};
            keep(s, &s->items, &item, sizeof item);
            return k + 1;
        }
    }
    s->content.size = begin; /* half a record is none */
    return i + 1;
}

static void take_records(sync_salvage *s, const part *parts, size_t count,
                         sync_table table, sync_salvage_kind kind)
{
    for (size_t i = 0; i < count && s->err == CRDT_OK;) {
        if (parts[i].table != table) {
            i++;
        } else if (parts[i].key >= JOURNAL_KEY) {
            found_item item = {.kind = kind,
                               .record = (sync_record_kind)parts[i].bytes.data[0]};
            keep_item(s, &item,
                      (crdt_span){parts[i].bytes.data + QUEUED_HEAD,
                                  parts[i].bytes.size - QUEUED_HEAD});
            i++;
        } else {
            i = join_record(s, parts, count, i, kind);
        }
    }
}

/* The chunks of the newest checkpoint, if all of them are there. */
static void take_checkpoint(sync_salvage *s, const part *parts, size_t count)
{
    size_t begin = s->content.size;
    uint64_t next = s->head.generation << CHUNK_KEY_BITS;
    if (!s->head_known || s->head.generation == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].table == SYNC_TABLE_CHECKPOINT && parts[i].key == next &&
            parts[i].bytes.size > FRAGMENT_HEAD) {
            keep(s, &s->content, parts[i].bytes.data + FRAGMENT_HEAD,
                 parts[i].bytes.size - FRAGMENT_HEAD);
            next++;
        }
    }
    crdt_span whole = {s->content.data + begin, s->content.size - begin};
    if (s->err == CRDT_OK && whole.size == s->head.checkpoint_size &&
        crdt_digest_equal(crdt_hash128(whole), s->head.checkpoint_hash)) {
        found_item item = {
            .kind = SYNC_SALVAGE_CHECKPOINT, .offset = begin, .size = whole.size};
        keep(s, &s->items, &item, sizeof item);
        return;
    }
    s->content.size = begin;
    s->report->checkpoint_lost = true;
}

/* Parts between `first` and `next` that are not there. */
static uint64_t count_lost(const part *parts, size_t count, sync_table table,
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
    const part *parts = (const part *)(const void *)s->parts.data;
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
        note_damage(s, "data.mdb", "byte", 0);
        err = CRDT_OK;
    }
    if (err == CRDT_OK) {
        err = read_file(s, dir, "journal", &s->journal, diag);
        err = err == CRDT_ENOTFOUND ? CRDT_OK : err; /* there need not be one */
    }
    if (err == CRDT_OK) {
        err = walk_tables(s);
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
    if (*index >= s->items.size / sizeof(found_item)) {
        return false;
    }
    const found_item *found = (const found_item *)(const void *)s->items.data + *index;
    *index += 1;
    *item = (sync_salvage_item){
        .kind = found->kind,
        .record = found->record,
        .name = found->name,
        .bytes = {s->content.data + found->offset, found->size},
    };
    return true;
}
