#include "cli/servers/content_store.h"
#include "cli/content/cid.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW 1800000000000u

/* Servers over a folder of their own. */
typedef struct box {
    temp_dir dir;
    crdt_alloc alloc;
    servers_disk *disk;
    servers_content_store *store;
    int warnings;
    uint64_t size_max;
} box;

static void count_warning(void *ctx, const char *text)
{
    (void)text;
    ((box *)ctx)->warnings++;
}

static crdt_err open_store(box *b)
{
    b->warnings = 0;
    b->disk = NULL;
    b->store = NULL;
    crdt_err err =
        servers_disk_open(&b->disk, b->alloc, b->dir.path, b->size_max, NULL);
    return err != CRDT_OK ? err
                          : servers_content_store_open(&b->store, b->alloc, b->disk,
                                                       count_warning, b, NULL);
}

static void close_store(box *b)
{
    servers_content_store_close(b->store);
    servers_disk_close(b->disk);
    b->store = NULL;
    b->disk = NULL;
}

static void open_box(box *b)
{
    *b = (box){.alloc = crdt_alloc_default()};
    temp_dir_open(&b->dir);
    cr_assert_eq(open_store(b), CRDT_OK);
}

static void reopen(box *b)
{
    close_store(b);
    cr_assert_eq(open_store(b), CRDT_OK);
}

static void close_box(box *b)
{
    close_store(b);
    temp_dir_close(&b->dir);
}

/* An entity with one file, ready to be deployed. */
typedef struct package {
    char text[1024];
    char file[64];
    servers_upload uploads[3];
    servers_deployment deployment;
} package;

static void pack(package *p, const char *parcels, uint64_t timestamp, const char *file)
{
    memset(p, 0, sizeof *p);
    snprintf(p->file, sizeof p->file, "%s", file);
    p->uploads[1].content = crdt_span_of(p->file);
    content_cid(p->uploads[1].content, p->uploads[1].cid);
    char base[32];
    snprintf(base, sizeof base, "%.*s", (int)strcspn(parcels + 1, "\""), parcels + 1);
    snprintf(
        p->text, sizeof p->text,
        "{\"version\":\"v3\",\"type\":\"scene\",\"timestamp\":%llu,\"pointers\":[%s],"
        "\"content\":[{\"file\":\"f\",\"hash\":\"%s\"}],\"metadata\":{\"main\":\"f\","
        "\"scene\":{\"base\":\"%s\",\"parcels\":[%s]}}}",
        (unsigned long long)timestamp, parcels, p->uploads[1].cid, base, parcels);
    p->uploads[0].content = crdt_span_of(p->text);
    content_cid(p->uploads[0].content, p->uploads[0].cid);
    p->deployment = (servers_deployment){.id = crdt_span_of(p->uploads[0].cid),
                                         .uploads = p->uploads,
                                         .upload_count = 2,
                                         .now_ms = NOW};
}

static crdt_err deploy(box *b, const package *p)
{
    uint64_t when;
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_content_store_deploy(b->store, &p->deployment, &when, &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0') || err == CRDT_ENOMEM, "%s",
              diag.text);
    return err;
}

static const char *active(const box *b, const char *pointer)
{
    const char *id = servers_content_store_active(b->store, crdt_span_of(pointer));
    return id == NULL ? "" : id;
}

Test(content_store, deployed_and_still_there)
{
    box b;
    open_box(&b);
    package p;
    pack(&p, "\"0,0\",\"0,1\"", NOW, "hello");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(active(&b, "0,1"), p.uploads[0].cid);
        cr_assert_str_eq(active(&b, "1,1"), "");
        cr_assert(servers_content_store_has(b.store, p.uploads[1].cid));
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(servers_content_store_read(b.store, p.uploads[1].cid, &out, NULL),
                     CRDT_OK);
        cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of("hello")));
        crdt_buf_deinit(&out);
        reopen(&b);
    }
    close_box(&b);
}

Test(content_store, again_is_the_same)
{
    box b;
    open_box(&b);
    package p;
    uint64_t when;
    pack(&p, "\"0,0\"", NOW, "x");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    p.deployment.now_ms = NOW + 1000;
    cr_assert_eq(servers_content_store_deploy(b.store, &p.deployment, &when, NULL),
                 CRDT_OK);
    cr_assert_eq(when, NOW);
    cr_assert_eq(servers_content_store_count(b.store), 1);
    close_box(&b);
}

/* Newer wins at all of its pointers, and a file that is here need not come again. */
Test(content_store, newer_and_older)
{
    box b;
    open_box(&b);
    package old;
    package young;
    pack(&old, "\"0,0\",\"0,1\"", NOW, "x");
    pack(&young, "\"0,1\"", NOW + 1, "x");
    young.deployment.upload_count = 1;
    cr_assert_eq(deploy(&b, &young), CRDT_ENOTFOUND);
    cr_assert_eq(deploy(&b, &old), CRDT_OK);
    cr_assert_eq(deploy(&b, &young), CRDT_OK);
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(active(&b, "0,1"), young.uploads[0].cid);
        cr_assert_str_eq(active(&b, "0,0"), "");
        cr_assert_null(
            servers_content_store_active_id(b.store, crdt_span_of(old.uploads[0].cid)));
        reopen(&b);
    }
    package older;
    pack(&older, "\"0,0\"", NOW - 1, "x");
    cr_assert_eq(deploy(&b, &older), CRDT_ESTALE,
                 "one that lost is newer all the same");
    close_box(&b);
}

Test(content_store, times)
{
    static const struct {
        int64_t off;
        bool any_age;
        crdt_err err;
    } cases[] = {
        {-SERVERS_PAST_MS - 1, false, CRDT_ESTALE},
        {-SERVERS_PAST_MS, false, CRDT_OK},
        {SERVERS_FUTURE_MS, false, CRDT_OK},
        {SERVERS_FUTURE_MS + 1, false, CRDT_ESTALE},
        {SERVERS_FUTURE_MS + 1, true, CRDT_ESTALE},
        {-100000000000, true, CRDT_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        box b;
        open_box(&b);
        package p;
        pack(&p, "\"0,0\"", (uint64_t)((int64_t)NOW + cases[i].off), "x");
        p.deployment.any_age = cases[i].any_age;
        cr_assert_eq(deploy(&b, &p), cases[i].err, "case %zu", i);
        close_box(&b);
    }
}

Test(content_store, uploads)
{
    box b;
    open_box(&b);
    package p;
    pack(&p, "\"0,0\"", NOW, "x");
    p.uploads[1].content = crdt_span_of("y");
    cr_assert_eq(deploy(&b, &p), CRDT_EINVAL, "another hash");
    pack(&p, "\"0,0\"", NOW, "x");
    p.uploads[2].content = crdt_span_of("not named");
    content_cid(p.uploads[2].content, p.uploads[2].cid);
    p.deployment.upload_count = 3;
    cr_assert_eq(deploy(&b, &p), CRDT_EINVAL, "one too many");
    p.uploads[2] = p.uploads[1];
    cr_assert_eq(deploy(&b, &p), CRDT_EINVAL, "twice");
    p.deployment.upload_count = 1;
    cr_assert_eq(deploy(&b, &p), CRDT_ENOTFOUND, "a file is missing");
    p.deployment.upload_count = 2;
    p.deployment.id = crdt_span_of(p.uploads[1].cid);
    cr_assert_eq(deploy(&b, &p), CRDT_ECORRUPT, "the entity is no entity");
    p.deployment.id = crdt_span_of(p.uploads[2].cid);
    p.deployment.uploads = p.uploads + 1;
    p.deployment.upload_count = 1;
    p.deployment.id =
        crdt_span_of("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    cr_assert_eq(deploy(&b, &p), CRDT_EINVAL, "without the entity's file");
    cr_assert_eq(servers_content_store_count(b.store), 0);
    cr_assert_eq(servers_disk_size(b.disk), 0, "nothing was kept");
    close_box(&b);
}

Test(content_store, fifteen_megabytes_a_parcel)
{
    box b;
    open_box(&b);
    uint8_t *large = calloc(1, SERVERS_PARCEL_SIZE_MAX + 1);
    cr_assert_not_null(large);
    for (size_t more = 0; more < 2; more++) {
        package p;
        pack(&p, "\"0,0\"", NOW, "x");
        crdt_span content = {large, SERVERS_PARCEL_SIZE_MAX + more};
        char cid[CONTENT_CID_SIZE];
        content_cid(content, cid);
        char *at = strstr(p.text, p.uploads[1].cid);
        memcpy(at, cid, strlen(cid));
        snprintf(p.uploads[1].cid, sizeof p.uploads[1].cid, "%s", cid);
        p.uploads[1].content = content;
        content_cid(crdt_span_of(p.text), p.uploads[0].cid);
        p.deployment.id = crdt_span_of(p.uploads[0].cid);
        cr_assert_eq(deploy(&b, &p), more == 0 ? CRDT_OK : CRDT_ELIMIT);
    }
    free(large);
    close_box(&b);
}

Test(content_store, auth_chains)
{
    box b;
    open_box(&b);
    package p;
    pack(&p, "\"0,0\"", NOW, "x");
    servers_auth_chain chain = {
        .links = {{crdt_span_of("SIGNER"),
                   crdt_span_of("0xabcdef0123456789abcdef0123456789abcdef01"),
                   crdt_span_of("")},
                  {crdt_span_of("ECDSA_SIGNED_ENTITY"), crdt_span_of("something else"),
                   crdt_span_of("0x12")}},
        .count = 2};
    p.deployment.chain = &chain;
    cr_assert_eq(deploy(&b, &p), CRDT_EREFUSED);
    chain.links[1].payload = p.deployment.id;
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    close_box(&b);
}

Test(content_store, a_full_disk_changes_nothing)
{
    box b = {.alloc = crdt_alloc_default(), .size_max = 700};
    temp_dir_open(&b.dir);
    cr_assert_eq(open_store(&b), CRDT_OK);
    package p;
    pack(&p, "\"0,0\"", NOW, "hello");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    uint64_t size = servers_disk_size(b.disk);
    package q;
    pack(&q, "\"0,0\"", NOW + 1, "hello again, and a bit longer than before");
    cr_assert_eq(deploy(&b, &q), CRDT_EBUSY);
    cr_assert_eq(servers_disk_size(b.disk), size);
    cr_assert_not(servers_content_store_has(b.store, q.uploads[1].cid));
    cr_assert_str_eq(active(&b, "0,0"), p.uploads[0].cid);
    b.size_max = 0;
    reopen(&b);
    cr_assert_str_eq(active(&b, "0,0"), p.uploads[0].cid);
    cr_assert_eq(deploy(&b, &q), CRDT_OK, "there is room now");
    cr_assert_str_eq(active(&b, "0,0"), q.uploads[0].cid);
    close_box(&b);
}

/* What a crash leaves: files without a record. They go at the next start, but not while a
 * record cannot be read: it may name them. */
Test(content_store, after_a_crash)
{
    box b;
    open_box(&b);
    package p;
    pack(&p, "\"0,0\"", NOW, "hello");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    package q;
    pack(&q, "\"5,5\"", NOW, "cut off");
    cr_assert_eq(servers_disk_put(b.disk, SERVERS_CONTENTS, q.uploads[1].cid,
                                  q.uploads[1].content, NULL),
                 CRDT_OK);
    const char *broken = temp_dir_path(&b.dir, "entities/broken.json");
    temp_write_file(broken, (const uint8_t *)"{", 1);
    reopen(&b);
    cr_assert_eq(b.warnings, 1);
    cr_assert(servers_content_store_has(b.store, q.uploads[1].cid));
    cr_assert_str_eq(active(&b, "0,0"), p.uploads[0].cid);
    unlink(broken);
    reopen(&b);
    cr_assert_eq(b.warnings, 0);
    cr_assert_not(servers_content_store_has(b.store, q.uploads[1].cid));
    cr_assert(servers_content_store_has(b.store, p.uploads[1].cid));
    close_box(&b);
}

/* Damage is not given out, told at the start, and healed by deploying again. */
Test(content_store, damage)
{
    box b;
    open_box(&b);
    package p;
    pack(&p, "\"0,0\"", NOW, "hello");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    char name[128];
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "contents/%s", p.uploads[i].cid);
        size_t size = p.uploads[i].content.size;
        uint8_t *bytes = calloc(1, size);
        cr_assert_not_null(bytes);
        temp_write_file(temp_dir_path(&b.dir, name), bytes, size);
        free(bytes);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(servers_content_store_read(b.store, p.uploads[i].cid, &out, NULL),
                     CRDT_ECORRUPT);
        cr_assert_eq(out.size, 0);
        crdt_buf_deinit(&out);
    }
    reopen(&b);
    cr_assert_eq(b.warnings, 1);
    cr_assert_str_eq(active(&b, "0,0"), "");
    cr_assert_eq(deploy(&b, &p), CRDT_OK);
    reopen(&b);
    cr_assert_eq(b.warnings, 0);
    cr_assert_str_eq(active(&b, "0,0"), p.uploads[0].cid);
    close_box(&b);
}

/* Each allocation fails in turn: the deployment is refused, and then it works. */
Test(content_store, no_memory)
{
    for (uint64_t i = 0;; i++) {
        fault_alloc fault;
        box b = {.alloc = fault_alloc_init(&fault)};
        temp_dir_open(&b.dir);
        cr_assert_eq(open_store(&b), CRDT_OK);
        package p;
        pack(&p, "\"0,0\",\"0,1\"", NOW, "hello");
        fault_alloc_fail_at(&fault, i);
        crdt_err err = deploy(&b, &p);
        fault_alloc_heal(&fault);
        bool done = err == CRDT_OK;
        if (!done) {
            cr_assert_eq(err, CRDT_ENOMEM, "allocation %d", (int)i);
            cr_assert_eq(servers_disk_size(b.disk), 0, "allocation %d", (int)i);
            cr_assert_str_eq(active(&b, "0,0"), "");
            cr_assert_eq(deploy(&b, &p), CRDT_OK);
        }
        cr_assert_str_eq(active(&b, "0,0"), p.uploads[0].cid);
        close_box(&b);
        cr_assert(fault_alloc_balanced(&fault), "allocation %d", (int)i);
        if (done) {
            cr_assert_gt(i, 5);
            break;
        }
    }
}
