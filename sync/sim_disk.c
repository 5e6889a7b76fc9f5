#include "sync/sim_disk.h"

#include "crdt/digest.h"
#include "sync/little.h"

#include <assert.h>
#include <string.h>

enum { RECORD_HEAD = 9 }; /* kind, size */

crdt_err sync_sim_disk_init(sync_sim_disk *disk, crdt_alloc alloc, size_t half_size)
{
    *disk = (sync_sim_disk){.alloc = alloc};
    crdt_buf *const bufs[] = {&disk->checkpoint, &disk->records, &disk->waiting,
                              &disk->queue, &disk->flight};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        crdt_buf_init(bufs[i], alloc);
    }
    disk->half_size = (half_size + SYNC_JOURNAL_SECTOR - 1) / SYNC_JOURNAL_SECTOR *
                      SYNC_JOURNAL_SECTOR;
    disk->platter = crdt_allocate(alloc, 2 * disk->half_size);
    if (disk->platter == NULL) {
        return CRDT_ENOMEM;
    }
    memset(disk->platter, 0, 2 * disk->half_size);
    return CRDT_OK;
}

void sync_sim_disk_deinit(sync_sim_disk *disk)
{
    crdt_buf_deinit(&disk->checkpoint);
    crdt_buf_deinit(&disk->records);
    crdt_buf_deinit(&disk->waiting);
    crdt_buf_deinit(&disk->queue);
    crdt_buf_deinit(&disk->flight);
    crdt_free(disk->alloc, disk->platter,
              disk->platter == NULL ? 0 : 2 * disk->half_size);
    crdt_free(disk->alloc, disk->pending,
              disk->pending_capacity * sizeof *disk->pending);
}

static crdt_err copy_buf(crdt_buf *to, const crdt_buf *from)
{
    crdt_buf_clear(to);
    return crdt_buf_append_span(to, crdt_buf_span(from));
}

/* What a run has in memory. */
static void forget_run(sync_sim_disk *disk)
{
    crdt_buf_clear(&disk->queue);
    crdt_buf_clear(&disk->flight);
    crdt_buf_clear(&disk->waiting);
    disk->pending_count = 0;
    disk->meta_queued = false;
    disk->meta_flies = false;
    disk->appended = 0;
    disk->written = 0;
    disk->durable = 0;
    disk->commits = 0;
    disk->syncing = false;
}

crdt_err sync_sim_disk_copy(sync_sim_disk *to, const sync_sim_disk *from)
{
    assert(to->half_size == from->half_size);
    forget_run(to);
    crdt_err err = copy_buf(&to->checkpoint, &from->checkpoint);
    if (err == CRDT_OK) {
        err = copy_buf(&to->records, &from->records);
    }
    memcpy(to->platter, from->platter, 2 * from->half_size);
    to->damaged = from->damaged;
    to->lied = from->lied;
    to->group = from->group;
    to->mark = from->mark;
    to->meta = from->meta;
    to->actor = from->actor;
    to->actor_known = from->actor_known;
    to->token = from->token;
    to->begun = from->begun;
    return err;
}

void sync_sim_disk_clear(sync_sim_disk *disk)
{
    forget_run(disk);
    crdt_buf_clear(&disk->checkpoint);
    crdt_buf_clear(&disk->records);
    memset(disk->platter, 0, 2 * disk->half_size);
    disk->damaged = false;
    disk->lied = false;
    disk->begun = false;
    disk->group = 0;
    disk->mark = (sync_mark){0};
    disk->meta = (sync_meta){.scene = disk->meta.scene,
                             .lineage_known = disk->meta.lineage_known,
                             .lineage = disk->meta.lineage};
    disk->actor_known = false;
}

/* ---- opening ---- */

static bool next_record(crdt_span records, size_t *offset, sync_record_kind *kind,
                        crdt_span *bytes)
{
    if (*offset == records.size) {
        return false;
    }
    const uint8_t *at = records.data + *offset;
    *kind = (sync_record_kind)at[0];
    *bytes = (crdt_span){at + RECORD_HEAD, (size_t)sync_get_u64(at + 1)};
    *offset += RECORD_HEAD + bytes->size;
    return true;
}

typedef struct opening {
    sync_sim_disk *disk;
    sync_replay replay;
    uint64_t number;
} opening;

static crdt_err replay_records(opening *o, crdt_span records, crdt_diag *diag)
{
    crdt_err err = CRDT_OK;
    sync_record_kind kind;
    crdt_span bytes;
    for (size_t at = 0; err == CRDT_OK && next_record(records, &at, &kind, &bytes);) {
        err = sync_replay_record(&o->replay, kind, bytes, ++o->number, diag);
    }
    return err;
}

static crdt_err compare_mark(const opening *o, const sync_mark *recorded,
                             crdt_diag *diag)
{
    sync_mark mark = sync_mark_of(o->replay.doc);
    return sync_mark_compare(recorded, &mark, diag);
}

/* The tables take a group that only the journal had. */
static crdt_err take_group(void *ctx, const sync_journal_group *group, crdt_diag *diag)
{
    opening *o = ctx;
    crdt_err err = replay_records(o, group->bytes, diag);
    if (err == CRDT_OK) {
        err = compare_mark(o, &group->mark, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(&o->disk->records, group->bytes);
    }
    o->disk->group = group->number;
    o->disk->mark = group->mark;
    return err;
}

static crdt_err replay_all(opening *o, crdt_diag *diag)
{
    sync_sim_disk *disk = o->disk;
    crdt_err err = CRDT_OK;
    if (disk->checkpoint.size > 0) {
        err =
            sync_replay_checkpoint(&o->replay, crdt_buf_span(&disk->checkpoint), diag);
    }
    if (err == CRDT_OK) {
        err = replay_records(o, crdt_buf_span(&disk->records), diag);
    }
    if (err == CRDT_OK && disk->group > 0) {
        err = compare_mark(o, &disk->mark, diag);
    }
    uint64_t torn_size;
    if (err == CRDT_OK && disk->begun) {
        err = sync_journal_scan((crdt_span){disk->platter, 2 * disk->half_size},
                                disk->token, disk->group, take_group, o, &torn_size,
                                diag);
    }
    return err;
}

crdt_err sync_sim_disk_open(sync_sim_disk *disk, crdt_document *doc, crdt_deps *deps,
                            uint64_t token, crdt_diag *diag)
{
    sync_store_report report = {0};
    opening o = {.disk = disk};
    forget_run(disk);
    sync_replay_init(&o.replay, disk->alloc, doc, deps, &report);
    crdt_err err = replay_all(&o, diag);
    sync_replay_deinit(&o.replay);
    if (err != CRDT_OK) {
        disk->damaged = err == CRDT_ECORRUPT;
        return err;
    }
    disk->group_last = disk->group;
    disk->token = token;
    disk->begun = true;
    disk->half = 0;
    disk->offset = 0;
    return CRDT_OK;
}

/* As the store does: through the bytes of a setting, which are of one actor. */
crdt_err sync_sim_disk_meta(const sync_sim_disk *disk, sync_meta *meta)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, disk->alloc);
    crdt_err err = sync_meta_encode(&disk->meta, &bytes);
    *meta = (sync_meta){.scene = disk->meta.scene,
                        .lineage_known = disk->meta.lineage_known,
                        .lineage = disk->meta.lineage,
                        .actor = disk->actor};
    if (err == CRDT_OK) {
        err = sync_meta_decode(crdt_buf_span(&bytes), meta, NULL);
    }
    crdt_buf_deinit(&bytes);
    return err;
}

void sync_sim_disk_set_actor(sync_sim_disk *disk, const crdt_actor *actor)
{
    disk->actor = *actor;
    disk->actor_known = true;
}

/* ---- writing ---- */

static crdt_err append_record(crdt_buf *to, sync_append_kind kind, crdt_span bytes)
{
    uint8_t head[RECORD_HEAD];
    head[0] = kind == SYNC_APPEND_BATCH ? SYNC_RECORD_BATCH : SYNC_RECORD_ANSWER;
    sync_put_u64(head + 1, bytes.size);
    crdt_err err = crdt_buf_reserve(to, sizeof head + bytes.size);
    if (err == CRDT_OK) {
        crdt_buf_append(to, head, sizeof head);
        crdt_buf_append_span(to, bytes);
    }
    return err;
}

crdt_err sync_sim_disk_append(sync_sim_disk *disk, sync_append_kind kind,
                              crdt_span bytes)
{
    crdt_err err = append_record(&disk->queue, kind, bytes);
    disk->appended += err == CRDT_OK ? 1 : 0;
    return err;
}

void sync_sim_disk_set_meta(sync_sim_disk *disk, const sync_meta *meta)
{
    crdt_span scene = disk->meta.scene; /* the replica's may not outlive it */
    disk->meta_next = *meta;
    disk->meta_next.scene = scene;
    disk->meta_queued = true;
}

/* The sectors of a group: written, not synced. */
static crdt_err write_sectors(sync_sim_disk *disk, crdt_span bytes)
{
    size_t at = disk->half * disk->half_size + disk->offset;
    for (size_t done = 0; done < bytes.size; done += SYNC_JOURNAL_SECTOR) {
        if (disk->pending_count == disk->pending_capacity) {
            size_t capacity = disk->pending_capacity * 2 + 8;
            sync_sim_sector *pending =
                crdt_resize_array(disk->alloc, disk->pending, disk->pending_capacity,
                                  capacity, sizeof *pending);
            if (pending == NULL) {
                return CRDT_ENOMEM;
            }
            disk->pending = pending;
            disk->pending_capacity = capacity;
        }
        size_t left = bytes.size - done;
        size_t size = left < SYNC_JOURNAL_SECTOR ? left : SYNC_JOURNAL_SECTOR;
        sync_sim_sector *sector = &disk->pending[disk->pending_count++];
        sector->offset = at + done;
        memcpy(sector->bytes, disk->platter + at + done, SYNC_JOURNAL_SECTOR);
        memcpy(sector->bytes, bytes.data + done, size);
        disk->offset += SYNC_JOURNAL_SECTOR;
    }
    return CRDT_OK;
}

/* Records only, and room for them; a run begins with some groups in the tables. */
static bool suits_journal(const sync_sim_disk *disk)
{
    enum { COMMITS_BEFORE = 2 };
    size_t left = disk->half_size - disk->offset;
    return !disk->meta_queued && disk->commits >= COMMITS_BEFORE &&
           disk->flight.size + SYNC_JOURNAL_HEAD_SIZE <= left;
}

crdt_err sync_sim_disk_begin(sync_sim_disk *disk, const crdt_document *doc, bool *begun)
{
    *begun = false;
    if (disk->syncing || (disk->queue.size == 0 && !disk->meta_queued)) {
        return CRDT_OK;
    }
    crdt_buf queue = disk->queue;
    disk->queue = disk->flight;
    disk->flight = queue;
    crdt_buf_clear(&disk->queue);
    disk->written = disk->appended;
    disk->mark_next = sync_mark_of(doc);
    disk->group_last++;
    disk->syncing = true;
    disk->to_tables = !suits_journal(disk);
    *begun = true;
    if (disk->to_tables) {
        disk->meta_flies = disk->meta_queued;
        disk->meta_flight = disk->meta_next;
        disk->meta_queued = false;
        return CRDT_OK;
    }
    sync_journal_group group = {.number = disk->group_last,
                                .sequence = disk->written,
                                .mark = disk->mark_next,
                                .bytes = crdt_buf_span(&disk->flight)};
    crdt_buf bytes;
    crdt_buf_init(&bytes, disk->alloc);
    crdt_err err = sync_journal_encode(&group, disk->token, disk->half_size, &bytes);
    if (err == CRDT_OK) {
        err = write_sectors(disk, crdt_buf_span(&bytes));
    }
    crdt_buf_deinit(&bytes);
    return err;
}

static void flush_sectors(sync_sim_disk *disk)
{
    for (size_t i = 0; i < disk->pending_count; i++) {
        memcpy(disk->platter + disk->pending[i].offset, disk->pending[i].bytes,
               SYNC_JOURNAL_SECTOR);
    }
    disk->pending_count = 0;
}

/* One transaction: what waited in the journal, what is under way, settings. */
static crdt_err commit_tables(sync_sim_disk *disk)
{
    crdt_err err =
        crdt_buf_reserve(&disk->records, disk->waiting.size + disk->flight.size);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_buf_append_span(&disk->records, crdt_buf_span(&disk->waiting));
    crdt_buf_append_span(&disk->records, crdt_buf_span(&disk->flight));
    flush_sectors(disk);
    if (disk->waiting.size > 0 || disk->offset > 0) {
        disk->half = 1 - disk->half;
        disk->offset = 0;
    }
    crdt_buf_clear(&disk->waiting);
    disk->group = disk->group_last;
    disk->mark = disk->mark_next;
    if (disk->meta_flies) {
        disk->meta = disk->meta_flight;
        disk->meta_flies = false;
    }
    return CRDT_OK;
}

crdt_err sync_sim_disk_end(sync_sim_disk *disk)
{
    assert(disk->syncing);
    disk->syncing = false;
    if (disk->fails) {
        return CRDT_EIO;
    }
    crdt_err err = CRDT_OK;
    if (disk->to_tables) {
        err = commit_tables(disk);
    } else {
        disk->lied = disk->lied || disk->lies;
        if (!disk->lies) {
            flush_sectors(disk);
        }
        err = crdt_buf_append_span(&disk->waiting, crdt_buf_span(&disk->flight));
    }
    crdt_buf_clear(&disk->flight);
    disk->durable = disk->written;
    disk->commits++;
    return err;
}

bool sync_sim_disk_settled(const sync_sim_disk *disk)
{
    return disk->durable == disk->appended;
}

crdt_err sync_sim_disk_checkpoint(sync_sim_disk *disk, const crdt_document *doc,
                                  const crdt_deps *deps)
{
    assert(sync_sim_disk_settled(disk) && !disk->syncing);
    crdt_buf bytes;
    crdt_buf_init(&bytes, disk->alloc);
    crdt_err err = crdt_document_answer_full(doc, deps, &bytes);
    if (err != CRDT_OK) {
        crdt_buf_deinit(&bytes);
        return err;
    }
    disk->group_last++;
    disk->mark_next = sync_mark_of(doc);
    err = commit_tables(disk);
    crdt_buf_clear(&disk->records);
    crdt_buf_deinit(&disk->checkpoint);
    disk->checkpoint = bytes;
    return err;
}

/* ---- crashing ---- */

/* Of each sector all, nothing, or one end of it: a disk writes eight bytes at once at
 * least. The order does not matter but for a sector that was written twice. */
static uint64_t tear_sectors(sync_sim_disk *disk, sync_sim_random *random)
{
    enum { WORD = 8, WORDS = SYNC_JOURNAL_SECTOR / WORD };
    uint64_t torn = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const sync_sim_sector *sector = &disk->pending[i];
        uint8_t *at = disk->platter + sector->offset;
        uint64_t luck = sync_sim_random_next(random);
        size_t words = (size_t)(luck >> 8) % (WORDS + 1);
        switch (luck % 4) {
        case 0: /* nothing */
            torn++;
            break;
        case 1: /* its begin */
            torn++;
            memcpy(at, sector->bytes, words * WORD);
            break;
        case 2: /* its end */
            torn++;
            memcpy(at + words * WORD, sector->bytes + words * WORD,
                   (WORDS - words) * WORD);
            break;
        default:
            memcpy(at, sector->bytes, SYNC_JOURNAL_SECTOR);
            break;
        }
    }
    disk->pending_count = 0;
    return torn;
}

static crdt_err pass_over(void *ctx, const sync_journal_group *group, crdt_diag *diag)
{
    uint64_t *reached = ctx;
    (void)diag;
    *reached = group->number;
    return CRDT_OK;
}

void sync_sim_disk_crash(sync_sim_disk *disk, sync_sim_remains how,
                         sync_sim_random *random, uint64_t *reached, uint64_t *torn)
{
    uint64_t torn_size;
    *torn = 0;
    bool kept = how == SYNC_SIM_REMAINS_ALL ||
                (how == SYNC_SIM_REMAINS_TORN && sync_sim_random_next(random) % 2 == 0);
    if (disk->syncing && disk->to_tables && kept) {
        (void)commit_tables(disk); /* done, and nobody was told */
    } else if (how == SYNC_SIM_REMAINS_ALL) {
        flush_sectors(disk);
    } else if (how == SYNC_SIM_REMAINS_TORN) {
        *torn = tear_sectors(disk, random);
    }
    forget_run(disk);
    *reached = disk->group;
    if (sync_journal_scan((crdt_span){disk->platter, 2 * disk->half_size}, disk->token,
                          disk->group, pass_over, reached, &torn_size,
                          NULL) != CRDT_OK) {
        disk->damaged = true;
    }
}
