#include "cli/servers/project_store.h"
#include "cli/servers/json_put.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define ID "116570f2-8bdc-4887-a0fd-11ed8d5c8f20"
#define OTHER "216570f2-8bdc-4887-a0fd-11ed8d5c8f20"
#define ANA "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BEN "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NOW 1800000000000u

typedef struct box {
    temp_dir dir;
    crdt_alloc alloc;
    servers_disk *disk;
    servers_project_store *store;
    int warnings;
    uint64_t size_max;
} box;

static void count_warning(void *ctx, const char *text)
{
    (void)text;
    ((box *)ctx)->warnings++;
}

static void open_store(box *b)
{
    b->warnings = 0;
    cr_assert_eq(servers_disk_open(&b->disk, b->alloc, b->dir.path, b->size_max, NULL),
                 CRDT_OK);
    cr_assert_eq(servers_project_store_open(&b->store, b->alloc, b->disk, count_warning,
                                            b, NULL),
                 CRDT_OK);
}

static void close_store(box *b)
{
    servers_project_store_close(b->store);
    servers_disk_close(b->disk);
}

static void open_box(box *b)
{
    *b = (box){.alloc = crdt_alloc_default()};
    temp_dir_open(&b->dir);
    open_store(b);
}

static void reopen(box *b)
{
    close_store(b);
    open_store(b);
}

static void close_box(box *b)
{
    close_store(b);
    temp_dir_close(&b->dir);
}

static servers_caller caller_of(const char *owner)
{
    servers_caller caller = {.trusted = strcmp(owner, SERVERS_OWNER_LOCAL) == 0,
                             .now_ms = NOW};
    snprintf(caller.owner, sizeof caller.owner, "%s", owner);
    return caller;
}

/* Put a manifest whose project has these further members; the row is thrown away. */
static crdt_err put(box *b, const char *id, const char *owner, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"version\":10,\"project\":{\"id\":\"" OTHER "\",\"title\":\"t\","
             "\"description\":\"\",\"scene_id\":\"" OTHER "\",\"cols\":1,\"rows\":1%s},"
             "\"scene\":{\"entities\":{},\"components\":{}}}",
             more);
    scene_json *json = NULL;
    cr_assert_eq(
        scene_json_open(&json, crdt_alloc_default(), crdt_span_of(text), NULL, NULL),
        CRDT_OK);
    servers_project_put given = {.json = json,
                                 .manifest = scene_json_root(json),
                                 .project =
                                     scene_json_find(scene_json_root(json), "project")};
    servers_caller caller = caller_of(owner);
    crdt_buf row;
    crdt_buf_init(&row, b->alloc);
    crdt_err err = servers_project_store_put(b->store, id, &given, &caller, &row, NULL);
    crdt_buf_deinit(&row);
    scene_json_close(json);
    return err;
}

/* A text member of the row (or of the manifest's project); "": none. */
static const char *member(box *b, const char *id, bool manifest, const char *key)
{
    static char text[256];
    servers_caller caller = caller_of(SERVERS_OWNER_LOCAL);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_err err =
        manifest ? servers_project_store_manifest(b->store, id, &caller, &out, NULL)
                 : servers_project_store_row(b->store, id, &caller, &out, NULL);
    text[0] = '\0';
    scene_json *json = NULL;
    if (err == CRDT_OK) {
        cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), crdt_buf_span(&out),
                                     NULL, NULL),
                     CRDT_OK);
        const scene_json_node *root = scene_json_root(json);
        crdt_span found;
        if (servers_json_find_text(manifest ? scene_json_find(root, "project") : root,
                                   key, &found)) {
            snprintf(text, sizeof text, "%.*s", (int)found.size,
                     (const char *)found.data);
        }
    }
    scene_json_close(json);
    crdt_buf_deinit(&out);
    return text;
}

Test(project_store, put_and_still_there)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, ANA, ",\"created_at\":\"C\",\"eth_address\":\"" BEN "\""),
                 CRDT_OK);
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(member(&b, ID, false, "id"), ID);
        cr_assert_str_eq(member(&b, ID, false, "eth_address"), ANA);
        cr_assert_str_eq(member(&b, ID, true, "id"), ID);
        cr_assert_str_eq(member(&b, ID, true, "eth_address"), ANA);
        cr_assert_str_eq(member(&b, ID, false, "created_at"), "C");
        cr_assert_str_eq(member(&b, ID, false, "updated_at"), "2027-01-15T08:00:00Z");
        cr_assert_str_eq(member(&b, ID, true, "updated_at"), "", "as it came");
        reopen(&b);
    }
    close_box(&b);
}

Test(project_store, a_row_keeps_what_is_not_named)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, ANA, ",\"creation_coords\":\"1,2\""), CRDT_OK);
    cr_assert_str_eq(member(&b, ID, false, "created_at"), "2027-01-15T08:00:00Z");
    cr_assert_eq(put(&b, ID, ANA, ",\"created_at\":\"later\""), CRDT_OK);
    cr_assert_str_eq(member(&b, ID, false, "creation_coords"), "1,2");
    cr_assert_str_eq(member(&b, ID, true, "creation_coords"), "");
    cr_assert_str_eq(member(&b, ID, false, "created_at"), "2027-01-15T08:00:00Z");
    close_box(&b);
}

Test(project_store, owners)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, ANA, ""), CRDT_OK);
    cr_assert_eq(put(&b, ID, BEN, ""), CRDT_EREFUSED);
    cr_assert_eq(put(&b, ID, SERVERS_OWNER_LOCAL, ""), CRDT_EREFUSED);
    cr_assert_eq(put(&b, ID, ANA, ""), CRDT_OK);
    servers_caller ben = caller_of(BEN);
    crdt_diag diag = {.text = ""};
    cr_assert_eq(servers_project_store_remove(b.store, ID, &ben, &diag), CRDT_EREFUSED);
    cr_assert_eq(servers_project_store_remove_manifest(b.store, ID, &ben, &diag),
                 CRDT_EREFUSED);
    cr_assert_eq(
        servers_project_store_set_thumbnail(b.store, ID, "thumbnail.png", &ben, &diag),
        CRDT_EREFUSED);
    cr_assert_eq(servers_project_store_check(b.store, ID, &ben, false, &diag),
                 CRDT_EREFUSED);
    size_t index = 0;
    cr_assert_null(
        servers_project_store_next(b.store, &ben, (crdt_span){NULL, 0}, &index));
    servers_caller local = caller_of(SERVERS_OWNER_LOCAL);
    cr_assert_eq(servers_project_store_check(b.store, ID, &local, false, &diag),
                 CRDT_OK, "this machine may read all");
    close_box(&b);
}

Test(project_store, what_is_local_is_taken_over)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, SERVERS_OWNER_LOCAL, ",\"eth_address\":\"as it came\""),
                 CRDT_OK);
    cr_assert_str_eq(member(&b, ID, true, "eth_address"), "as it came");
    cr_assert_eq(put(&b, ID, ANA, ""), CRDT_OK);
    reopen(&b);
    cr_assert_eq(put(&b, ID, SERVERS_OWNER_LOCAL, ""), CRDT_EREFUSED);
    close_box(&b);
}

Test(project_store, coordinates)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, ANA, ",\"creation_coords\":\"1,2\""), CRDT_OK);
    cr_assert_eq(put(&b, OTHER, BEN, ",\"creation_coords\":\"1,2\""), CRDT_OK);
    servers_caller ana = caller_of(ANA);
    crdt_span coords = crdt_span_of("1,2");
    size_t index = 0;
    cr_assert_str_eq(servers_project_store_next(b.store, &ana, coords, &index), ID);
    cr_assert_null(servers_project_store_next(b.store, &ana, coords, &index));
    size_t count;
    cr_assert_eq(servers_project_store_unlink(b.store, coords, &ana, &count, NULL),
                 CRDT_OK);
    cr_assert_eq(count, 1);
    reopen(&b);
    cr_assert_str_eq(member(&b, ID, false, "creation_coords"), "");
    cr_assert_str_eq(member(&b, ID, true, "creation_coords"), "");
    cr_assert_str_eq(member(&b, OTHER, false, "creation_coords"), "1,2");
    close_box(&b);
}

Test(project_store, removing)
{
    box b;
    open_box(&b);
    servers_caller ana = caller_of(ANA);
    crdt_diag diag = {.text = ""};
    cr_assert_eq(put(&b, ID, ANA, ""), CRDT_OK);
    cr_assert_eq(put(&b, OTHER, ANA, ""), CRDT_OK);
    cr_assert_eq(servers_project_store_remove_manifest(b.store, ID, &ana, &diag),
                 CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(servers_project_store_manifest(b.store, ID, &ana, &out, &diag),
                 CRDT_ENOTFOUND);
    cr_assert_eq(servers_project_store_row(b.store, ID, &ana, &out, &diag), CRDT_OK);
    cr_assert_eq(servers_project_store_remove(b.store, ID, &ana, &diag), CRDT_OK);
    cr_assert_eq(servers_project_store_remove(b.store, ID, &ana, &diag),
                 CRDT_ENOTFOUND);
    reopen(&b);
    cr_assert_eq(servers_project_store_count(b.store), 1);
    cr_assert_eq(servers_project_store_check(b.store, OTHER, &ana, true, &diag),
                 CRDT_OK);
    crdt_buf_deinit(&out);
    close_box(&b);
}

/* Pictures of a project that is gone go at the next start, unless a project cannot be
 * read. */
Test(project_store, after_a_crash)
{
    box b;
    open_box(&b);
    cr_assert_eq(put(&b, ID, ANA, ""), CRDT_OK);
    static const char *const names[] = {ID ".thumbnail.png", OTHER ".thumbnail.png"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(
            servers_disk_put(b.disk, SERVERS_MEDIA, names[i], crdt_span_of("x"), NULL),
            CRDT_OK);
    }
    const char *broken = temp_dir_path(&b.dir, "projects/" OTHER ".json");
    temp_write_file(broken, (const uint8_t *)"[]", 2);
    reopen(&b);
    cr_assert_eq(b.warnings, 1);
    cr_assert(servers_disk_find(b.disk, SERVERS_MEDIA, names[1], NULL));
    unlink(broken);
    reopen(&b);
    cr_assert_eq(b.warnings, 0);
    cr_assert(servers_disk_find(b.disk, SERVERS_MEDIA, names[0], NULL));
    cr_assert_not(servers_disk_find(b.disk, SERVERS_MEDIA, names[1], NULL));
    close_box(&b);
}

Test(project_store, a_full_disk_changes_nothing)
{
    box b = {.alloc = crdt_alloc_default(), .size_max = 900};
    temp_dir_open(&b.dir);
    open_store(&b);
    cr_assert_eq(put(&b, ID, ANA, ",\"thumbnail\":\"one\""), CRDT_OK);
    char more[400];
    snprintf(more, sizeof more, ",\"thumbnail\":\"%0300d\"", 0);
    cr_assert_eq(put(&b, ID, ANA, more), CRDT_EBUSY);
    cr_assert_eq(put(&b, OTHER, ANA, ""), CRDT_EBUSY);
    cr_assert_str_eq(member(&b, ID, true, "thumbnail"), "one");
    cr_assert_eq(servers_project_store_count(b.store), 1);
    close_box(&b);
}

Test(project_store, no_memory)
{
    for (uint64_t i = 0;; i++) {
        fault_alloc fault;
        box b = {.alloc = fault_alloc_init(&fault)};
        temp_dir_open(&b.dir);
        open_store(&b);
        cr_assert_eq(put(&b, ID, ANA, ",\"thumbnail\":\"one\""), CRDT_OK);
        fault_alloc_fail_at(&fault, i);
        crdt_err err = put(&b, ID, ANA, ",\"thumbnail\":\"two\"");
        fault_alloc_heal(&fault);
        bool done = err == CRDT_OK;
        cr_assert(done || err == CRDT_ENOMEM, "allocation %d", (int)i);
        cr_assert_str_eq(member(&b, ID, true, "thumbnail"), done ? "two" : "one",
                         "allocation %d", (int)i);
        close_box(&b);
        cr_assert(fault_alloc_balanced(&fault), "allocation %d", (int)i);
        if (done) {
            cr_assert_gt(i, 5);
            break;
        }
    }
}
