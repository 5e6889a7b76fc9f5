#include "bench/anchor_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LMDB_KEEP 20000u /* records; older ones go, so that the file stays small */

struct bench_disk {
    int fd;
    char path[BENCH_PATH_SIZE];
    uint8_t *bytes; /* of a group */
    size_t size;
    MDB_env *env;
    MDB_dbi dbi;
    size_t next; /* LMDB's next key */
};

static void must(int rc, const char *what)
{
    if (rc != 0) {
        bench_die(what, mdb_strerror(rc));
    }
}

bench_disk *bench_disk_open(const char *dir)
{
    bench_disk *disk = calloc(1, sizeof *disk);
    bench_must_bytes(disk, "disk");
    char path[BENCH_PATH_SIZE];
    snprintf(disk->path, sizeof disk->path, "%s/floor", dir);
    snprintf(path, sizeof path, "%s/lmdb", dir);
    disk->fd = open(disk->path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (disk->fd < 0) {
        bench_die(disk->path, strerror(errno));
    }
    MDB_txn *txn;
    must(mdb_env_create(&disk->env), "LMDB");
    must(mdb_env_set_mapsize(disk->env, (size_t)1 << 30), "LMDB");
    must(mdb_env_open(disk->env, path, MDB_NOSUBDIR, 0600), path);
    must(mdb_txn_begin(disk->env, NULL, 0, &txn), "LMDB");
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &disk->dbi), "LMDB");
    must(mdb_txn_commit(txn), "LMDB");
    return disk;
}

void bench_disk_close(bench_disk *disk)
{
    mdb_env_close(disk->env);
    close(disk->fd);
    unlink(disk->path);
    free(disk->bytes);
    free(disk);
}

static void take_bytes(bench_disk *disk, size_t size)
{
    if (disk->size < size) {
        free(disk->bytes);
        disk->bytes = malloc(size);
        bench_must_bytes(disk->bytes, "disk");
        memset(disk->bytes, 0x5a, size);
        disk->size = size;
    }
}

double bench_disk_append(bench_disk *disk, size_t count, size_t record_size,
                         double seconds, bench_spread *spread)
{
    size_t size = count * record_size;
    uint64_t groups = 0;
    take_bytes(disk, size);
    double begin = bench_now_us();
    double before = begin;
    while (before - begin < seconds * 1e6) {
        if (write(disk->fd, disk->bytes, size) != (ssize_t)size ||
            fdatasync(disk->fd) != 0) {
            bench_die(disk->path, strerror(errno));
        }
        double now = bench_now_us();
        if (spread != NULL) {
            bench_spread_add(spread, now - before);
        }
        before = now;
        groups++;
    }
    return (double)groups * 1e6 / (before - begin);
}

static void put_group(bench_disk *disk, size_t count, size_t record_size)
{
    MDB_txn *txn;
    must(mdb_txn_begin(disk->env, NULL, 0, &txn), "LMDB");
    for (size_t i = 0; i < count; i++) {
        MDB_val key = {sizeof disk->next, &disk->next};
        MDB_val value = {record_size, disk->bytes};
        disk->next++;
        must(mdb_put(txn, disk->dbi, &key, &value, MDB_APPEND), "LMDB");
        if (disk->next > LMDB_KEEP) {
            size_t old = disk->next - LMDB_KEEP;
            MDB_val old_key = {sizeof old, &old};
            must(mdb_del(txn, disk->dbi, &old_key, NULL), "LMDB");
        }
    }
    must(mdb_txn_commit(txn), "LMDB");
}

double bench_disk_lmdb(bench_disk *disk, size_t count, size_t record_size,
                       double seconds)
{
    uint64_t groups = 0;
    take_bytes(disk, record_size);
    double begin = bench_now_us();
    while (bench_now_us() - begin < seconds * 1e6) {
        put_group(disk, count, record_size);
        groups++;
    }
    return (double)groups * 1e6 / (bench_now_us() - begin);
}

uint64_t bench_disk_written(void)
{
    FILE *file = fopen("/proc/self/io", "re");
    uint64_t bytes = 0;
    char line[128];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "write_bytes: %" SCNu64, &bytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}
