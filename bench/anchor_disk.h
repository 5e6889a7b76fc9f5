#ifndef BENCH_ANCHOR_DISK_H
#define BENCH_ANCHOR_DISK_H

/* What durability costs at the least on this disk: a file that is appended to and synced
 * (one write, one fdatasync a group), and LMDB alone (one transaction a group). */

#include "bench/spread.h"

typedef struct bench_disk bench_disk;

/* Files in the folder `dir`, which exists. */
bench_disk *bench_disk_open(const char *dir);
void bench_disk_close(bench_disk *disk);

/* Groups of `count` records of `record_size` bytes, one after the other, for `seconds`;
 * returns groups a second. `spread` (or NULL) gets the time of each group. */
double bench_disk_append(bench_disk *disk, size_t count, size_t record_size,
                         double seconds, bench_spread *spread);
double bench_disk_lmdb(bench_disk *disk, size_t count, size_t record_size,
                       double seconds);

/* Bytes this process has caused to be written to disks; 0: not known. */
uint64_t bench_disk_written(void);

#endif /* BENCH_ANCHOR_DISK_H */
