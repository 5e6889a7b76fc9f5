#ifndef SYNC_PAGE_FORM_H
#define SYNC_PAGE_FORM_H

/* How LMDB 0.9 lays out its file (MDB_DATA_VERSION 1), as described in its mdb.c: for those
 * who read it without LMDB (sync/page.c, sync/salvage.c). */

#include <stddef.h>
#include <stdint.h>

_Static_assert(
    sizeof(size_t) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "LMDB's file is laid out as the machine is: this reads the common layout");

/* LMDB 0.9 on 64-bit little-endian, sizes in bytes:
 *
 *   page    pgno 8 | pad 2 | flags 2 | lower 2, upper 2 (overflow: pages 4) | ptrs 2 each
 *   node    lo 2 | hi 2 | flags 2 | key size 2 | key | data
 *           leaf: data size = lo, hi; branch: page number = lo, hi, flags
 *   db      pad 4 | flags 2 | depth 2 | branch, leaf, overflow pages 8 each | entries 8 |
 *           root 8
 *   meta    (after the page's 16) magic 4 | version 4 | address 8 | map size 8 |
 *           free db 48 | main db 48 | last page 8 | txn 8 */
enum {
    PAGE_HEADER = 16,
    NODE_HEADER = 8,
    DB_SIZE = 48,
    META_FREE = 40,
    META_MAIN = 88,
    META_LAST_PAGE = 136,
    META_TXN = 144,
    META_END = 152,
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 65536,
    DEPTH_MAX = 32,
};
enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };
enum { DB_INTEGER_KEY = 8, DB_NO_SUBDIR = 0x4000 };
#define META_MAGIC 0xBEEFC0DEu
#define PAGE_NONE UINT64_MAX

#endif /* SYNC_PAGE_FORM_H */
