/* What is prepared, on disk: whole or not at all, found again, gone in time. */

#include "cli/content/preparation.h"
#include "scene/json.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static temp_dir dir;
static char root[256];
static uint64_t now;

static void make_root(void)
{
    temp_dir_open(&dir);
    snprintf(root, sizeof root, "%s", temp_dir_path(&dir, "publish"));
    now = (uint64_t)time(NULL) * 1000;
}

static void remove_root(void)
{
    temp_dir_close(&dir);
}

TestSuite(preparation, .init = make_root, .fini = remove_root);

static size_t folders(void)
{
    size_t count = 0;
    DIR *folder = opendir(root);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void must(crdt_err err, const crdt_diag *diag)
{
    cr_assert_eq(err, CRDT_OK, "%s %s", crdt_err_name(err), diag->text);
}

/* One with two files, kept; its id. */
static void prepare(char id[CONTENT_PUBLISH_ID_SIZE])
{
    crdt_diag diag = {0};
    content_prepared prepared;
    must(content_prepared_open(&prepared, crdt_alloc_default(), root, now, &diag),
         &diag);
    must(content_prepared_add(&prepared, crdt_span_of("scene.json"), crdt_span_of("{}"),
                              &diag),
         &diag);
    must(content_prepared_add(&prepared, crdt_span_of("bin/game.js"),
                              crdt_span_of("dcl"), &diag),
         &diag);
    must(content_prepared_note_add(&prepared, crdt_span_of("m.glb"), "gone"), &diag);
    must(content_prepared_note_add(&prepared, (crdt_span){0}, "careful"), &diag);
    prepared.parcels = (content_parcels){.list = {{0, 0}, {0, 1}}, .count = 2};
    prepared.version = crdt_span_of("{\"a\":1}");
    prepared.lineage = crdt_span_of("0a");
    prepared.replaces = crdt_span_of("bafkold");
    snprintf(prepared.pointer, sizeof prepared.pointer, "0,0");
    content_prepared_sort(&prepared);
    must(content_prepared_keep(&prepared, crdt_span_of("{\"entity\":1}"), &diag),
         &diag);
    memcpy(id, prepared.id, CONTENT_PUBLISH_ID_SIZE);
    content_prepared_close(&prepared);
}

Test(preparation, kept_and_found_again)
{
    char id[CONTENT_PUBLISH_ID_SIZE];
    crdt_diag diag = {0};
    content_prepared found;
    prepare(id);
    must(content_prepared_load(&found, crdt_alloc_default(), root, id, &diag), &diag);
    cr_expect_eq(found.file_count, 2);
    cr_expect(crdt_span_equal(found.files[0].name, crdt_span_of("bin/game.js")));
    cr_expect_eq(found.size, 5);
    cr_expect_eq(found.parcels.count, 2);
    cr_expect(crdt_span_equal(found.version, crdt_span_of("{\"a\":1}")));
    cr_expect(crdt_span_equal(found.replaces, crdt_span_of("bafkold")));
    cr_expect(crdt_span_equal(found.lineage, crdt_span_of("0a")));
    cr_expect_str_eq(found.pointer, "0,0");
    cr_expect_eq(found.expires_ms, now + CONTENT_PUBLISH_LAST_MS);
    cr_expect_not(found.done);
    crdt_span content;
    must(content_prepared_map(&found, found.entity_id, &content, &diag), &diag);
    cr_expect(crdt_span_equal(content, crdt_span_of("{\"entity\":1}")));
    content_prepared_unmap(content);

    /* What is told is JSON, the same as before. */
    crdt_buf told;
    crdt_buf_init(&told, crdt_alloc_default());
    must(content_prepared_write(&found, &told), &diag);
    scene_json *json;
    must(scene_json_open(&json, told.alloc, crdt_buf_span(&told), NULL, &diag), &diag);
    const scene_json_node *sign = scene_json_find(scene_json_root(json), "sign");
    cr_assert_not_null(sign);
    cr_expect(crdt_span_equal(scene_json_text(sign), crdt_span_of(found.entity_id)));
    scene_json_close(json);
    crdt_buf_deinit(&told);

    must(content_prepared_finish(&found, 77, &diag), &diag);
    content_prepared_close(&found);
    must(content_prepared_load(&found, crdt_alloc_default(), root, id, &diag), &diag);
    cr_expect(found.done);
    cr_expect_eq(found.timestamp_ms, 77);
    content_prepared_close(&found);
}

Test(preparation, only_the_owner_reads_it)
{
    char id[CONTENT_PUBLISH_ID_SIZE];
    struct stat status;
    char path[512];
    prepare(id);
    cr_assert_eq(stat(root, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/%s/prepared.json", root, id);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(preparation, what_is_not_kept_leaves_nothing)
{
    crdt_diag diag = {0};
    content_prepared prepared;
    must(content_prepared_open(&prepared, crdt_alloc_default(), root, now, &diag),
         &diag);
    must(content_prepared_add(&prepared, crdt_span_of("a"), crdt_span_of("a"), &diag),
         &diag);
    cr_expect_eq(folders(), 1);
    content_prepared_close(&prepared);
    cr_expect_eq(folders(), 0);
}

Test(preparation, files_of_one_name)
{
    crdt_diag diag = {0};
    content_prepared prepared;
    must(content_prepared_open(&prepared, crdt_alloc_default(), root, now, &diag),
         &diag);
    crdt_span name = crdt_span_of("Models/A.glb");
    must(content_prepared_add(&prepared, name, crdt_span_of("x"), &diag), &diag);
    must(content_prepared_add(&prepared, name, crdt_span_of("x"), &diag), &diag);
    must(content_prepared_add(&prepared, crdt_span_of("b"), crdt_span_of("x"), &diag),
         &diag);
    cr_expect_eq(prepared.file_count, 2);
    cr_expect(content_prepared_has(&prepared, crdt_span_of("models/a.GLB")));
    cr_expect_eq(content_prepared_add(&prepared, crdt_span_of("models/a.glb"),
                                      crdt_span_of("y"), &diag),
                 CRDT_EEXIST);
    cr_expect_eq(
        content_prepared_add(&prepared, crdt_span_of("../x"), crdt_span_of("y"), &diag),
        CRDT_EINVAL);
    content_prepared_close(&prepared);
}

Test(preparation, ids_and_files_that_are_wrong)
{
    static const char *const IDS[] = {"",
                                      "x",
                                      "..",
                                      "../0123456789abcd",
                                      "0123456789abcdef",
                                      "0123456789ABCDEF",
                                      "0123456789abcdef0"};
    crdt_diag diag;
    content_prepared found;
    for (size_t i = 0; i < sizeof IDS / sizeof IDS[0]; i++) {
        cr_expect_eq(
            content_prepared_load(&found, crdt_alloc_default(), root, IDS[i], &diag),
            CRDT_ENOTFOUND, "%s", IDS[i]);
        content_prepared_close(&found);
    }
    char id[CONTENT_PUBLISH_ID_SIZE];
    char path[512];
    prepare(id);
    must(content_prepared_load(&found, crdt_alloc_default(), root, id, &diag), &diag);
    snprintf(path, sizeof path, "%s/%s/%s", root, id, found.entity_id);
    temp_write_file(path, (const uint8_t *)"{\"entity\":2}", 12);
    crdt_span content;
    cr_expect_eq(content_prepared_map(&found, found.entity_id, &content, &diag),
                 CRDT_ECORRUPT);
    content_prepared_close(&found);
    snprintf(path, sizeof path, "%s/%s/prepared.json", root, id);
    temp_write_file(path, (const uint8_t *)"{\"kind\":1}", 10);
    cr_expect_eq(content_prepared_load(&found, crdt_alloc_default(), root, id, &diag),
                 CRDT_ECORRUPT);
    content_prepared_close(&found);
}

/* Set back in time. */
static void age(const char *id, uint64_t seconds)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, id);
    struct timespec old = {.tv_sec = time(NULL) - (time_t)seconds};
    struct timespec times[2] = {old, old};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(preparation, old_ones_go)
{
    char first[CONTENT_PUBLISH_ID_SIZE];
    char done[CONTENT_PUBLISH_ID_SIZE];
    char id[CONTENT_PUBLISH_ID_SIZE];
    crdt_diag diag = {0};
    content_prepared found;
    prepare(first);
    prepare(done);
    must(content_prepared_load(&found, crdt_alloc_default(), root, done, &diag), &diag);
    must(content_prepared_finish(&found, 1, &diag), &diag);
    content_prepared_close(&found);
    age(first, 16 * 60);
    age(done, 16 * 60);
    prepare(id);
    cr_expect_eq(
        content_prepared_load(&found, crdt_alloc_default(), root, first, &diag),
        CRDT_ENOTFOUND);
    content_prepared_close(&found);
    cr_expect_eq(content_prepared_load(&found, crdt_alloc_default(), root, done, &diag),
                 CRDT_OK); /* it is known for a day that it was done */
    content_prepared_close(&found);
    age(id, 60);
    for (size_t i = 0; i < CONTENT_PREPARED_MAX + 2; i++) {
        char other[CONTENT_PUBLISH_ID_SIZE];
        prepare(other);
    }
    cr_expect_leq(folders(), CONTENT_PREPARED_MAX);
    cr_expect_eq(content_prepared_load(&found, crdt_alloc_default(), root, id, &diag),
                 CRDT_ENOTFOUND); /* the oldest */
    content_prepared_close(&found);
}

/* The folder may be one where other things lie too. */
Test(preparation, only_its_own_are_removed)
{
    char id[CONTENT_PUBLISH_ID_SIZE];
    char path[512];
    struct stat status;
    prepare(id);
    snprintf(path, sizeof path, "%s/0011223344556677", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    age("0011223344556677", 3 * 86400);
    snprintf(path, sizeof path, "%s/0011223344556677/mine", root);
    temp_write_file(path, (const uint8_t *)"x", 1);
    age("0011223344556677", 3 * 86400);
    /* A link that looks like one leads elsewhere. */
    char other[512];
    char link[512];
    snprintf(other, sizeof other, "%s", temp_dir_path(&dir, "elsewhere"));
    cr_assert_eq(mkdir(other, 0700), 0);
    snprintf(link, sizeof link, "%s/making-8899aabbccddeeff", root);
    cr_assert_eq(symlink(other, link), 0);
    snprintf(other, sizeof other, "%s/prepared.json", temp_dir_path(&dir, "elsewhere"));
    temp_write_file(other, (const uint8_t *)"{}", 2);
    prepare(id);
    cr_expect_eq(stat(path, &status), 0);
    cr_expect_eq(stat(other, &status), 0);
}
