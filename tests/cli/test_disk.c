#include "cli/servers/disk.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static servers_disk *open_disk(const temp_dir *dir, uint64_t size_max)
{
    servers_disk *disk = NULL;
    crdt_diag diag = {.text = ""};
    cr_assert_eq(
        servers_disk_open(&disk, crdt_alloc_default(), dir->path, size_max, &diag),
        CRDT_OK, "%s", diag.text);
    return disk;
}

static void expect(servers_disk *disk, const char *name, const char *content)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_err err = servers_disk_read(disk, SERVERS_CONTENTS, name, 1000, &out, NULL);
    cr_assert_eq(err, content == NULL ? CRDT_ENOTFOUND : CRDT_OK, "%s", name);
    if (content != NULL) {
        cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(content)));
    }
    crdt_buf_deinit(&out);
}

static crdt_err put(servers_disk *disk, const char *name, const char *content)
{
    return servers_disk_put(disk, SERVERS_CONTENTS, name, crdt_span_of(content), NULL);
}

Test(disk, files_last)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 0);
    expect(disk, "a", NULL);
    cr_assert_eq(put(disk, "a", "one"), CRDT_OK);
    cr_assert_eq(put(disk, "a", "two!"), CRDT_OK);
    cr_assert_eq(put(disk, "b", ""), CRDT_OK);
    cr_assert_eq(servers_disk_sync(disk, SERVERS_CONTENTS, NULL), CRDT_OK);
    cr_assert_eq(servers_disk_size(disk), 4);
    servers_disk_close(disk);
    disk = open_disk(&dir, 0);
    expect(disk, "a", "two!");
    expect(disk, "b", "");
    cr_assert_eq(servers_disk_size(disk), 4);
    cr_assert_eq(servers_disk_remove(disk, SERVERS_CONTENTS, "a", NULL), CRDT_OK);
    cr_assert_eq(servers_disk_remove(disk, SERVERS_CONTENTS, "a", NULL), CRDT_OK);
    expect(disk, "a", NULL);
    cr_assert_eq(servers_disk_size(disk), 0);
    servers_disk_close(disk);
    temp_dir_close(&dir);
}

/* Projects that are not shown to everybody are no files for everybody, whatever the mask. */
Test(disk, files_are_their_owners)
{
    static const char *const NAMES[] = {"served", "served/lock", "served/contents",
                                        "served/contents/a"};
    temp_dir dir;
    temp_dir_open(&dir);
    char path[4200];
    snprintf(path, sizeof path, "%s/served", dir.path);
    mode_t mask = umask(0);
    servers_disk *disk = NULL;
    cr_assert_eq(servers_disk_open(&disk, crdt_alloc_default(), path, 0, NULL),
                 CRDT_OK);
    cr_assert_eq(put(disk, "a", "one"), CRDT_OK);
    umask(mask);
    servers_disk_close(disk);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        struct stat stat_of;
        snprintf(path, sizeof path, "%s/%s", dir.path, NAMES[i]);
        cr_assert_eq(stat(path, &stat_of), 0, "%s", NAMES[i]);
        cr_assert_eq(stat_of.st_mode & 077, 0, "%s: %04o", NAMES[i],
                     (unsigned)(stat_of.st_mode & 07777));
    }
    temp_dir_close(&dir);
}

Test(disk, one_server_at_a_time)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 0);
    servers_disk *other = NULL;
    crdt_diag diag = {.text = ""};
    cr_assert_eq(servers_disk_open(&other, crdt_alloc_default(), dir.path, 0, &diag),
                 CRDT_EBUSY);
    cr_assert_neq(diag.text[0], '\0');
    servers_disk_close(disk);
    servers_disk_close(open_disk(&dir, 0));
    temp_dir_close(&dir);
}

Test(disk, leftovers_are_removed)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk_close(open_disk(&dir, 0));
    const char *left = temp_dir_path(&dir, "tmp/17");
    temp_write_file(left, (const uint8_t *)"half", 4);
    servers_disk_close(open_disk(&dir, 0));
    cr_assert_neq(access(left, F_OK), 0);
    temp_dir_close(&dir);
}

Test(disk, names_that_lead_elsewhere)
{
    static const char *const names[] = {"",    ".",           "..",     "../a",
                                        "a/b", "/etc/passwd", ".hidden"};
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 0);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        crdt_diag diag;
        cr_assert_eq(put(disk, names[i], "x"), CRDT_EINVAL);
        cr_assert_eq(
            servers_disk_read(disk, SERVERS_CONTENTS, names[i], 9, &out, &diag),
            CRDT_EINVAL);
        cr_assert_eq(servers_disk_remove(disk, SERVERS_CONTENTS, names[i], &diag),
                     CRDT_EINVAL);
        cr_assert_not(servers_disk_find(disk, SERVERS_CONTENTS, names[i], NULL));
    }
    crdt_buf_deinit(&out);
    servers_disk_close(disk);
    temp_dir_close(&dir);
}

/* A link or a folder in place of a file is not followed, nor hung on. */
Test(disk, what_is_no_file)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 0);
    cr_assert_eq(symlink("/etc/passwd", temp_dir_path(&dir, "contents/link")), 0);
    cr_assert_eq(mkdir(temp_dir_path(&dir, "contents/folder"), 0777), 0);
    cr_assert_eq(mkfifo(temp_dir_path(&dir, "contents/pipe"), 0666), 0);
    static const char *const names[] = {"link", "folder", "pipe"};
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (size_t i = 0; i < 3; i++) {
        cr_assert_not(servers_disk_find(disk, SERVERS_CONTENTS, names[i], NULL));
        cr_assert_eq(
            servers_disk_read(disk, SERVERS_CONTENTS, names[i], 1u << 20, &out, NULL),
            CRDT_EIO);
        cr_assert_eq(out.size, 0);
    }
    crdt_buf_deinit(&out);
    servers_disk_close(disk);
    temp_dir_close(&dir);
}

Test(disk, it_is_full_at_its_share)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 10);
    cr_assert_eq(put(disk, "a", "123456"), CRDT_OK);
    cr_assert_eq(put(disk, "b", "12345"), CRDT_ELIMIT);
    expect(disk, "b", NULL);
    cr_assert_eq(put(disk, "a", "12345678901"), CRDT_ELIMIT);
    expect(disk, "a", "123456");
    cr_assert_eq(put(disk, "a", "1234567890"), CRDT_OK);
    cr_assert_eq(put(disk, "b", ""), CRDT_OK);
    cr_assert_eq(servers_disk_size(disk), 10);
    servers_disk_close(disk);
    temp_dir_close(&dir);
}

Test(disk, too_large_to_read)
{
    temp_dir dir;
    temp_dir_open(&dir);
    servers_disk *disk = open_disk(&dir, 0);
    cr_assert_eq(put(disk, "a", "12345"), CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(servers_disk_read(disk, SERVERS_CONTENTS, "a", 4, &out, NULL),
                 CRDT_ELIMIT);
    cr_assert_eq(out.size, 0);
    cr_assert_eq(servers_disk_read(disk, SERVERS_CONTENTS, "a", 5, &out, NULL),
                 CRDT_OK);
    crdt_buf_deinit(&out);
    servers_disk_close(disk);
    temp_dir_close(&dir);
}
