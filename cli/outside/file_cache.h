#ifndef CLI_OUTSIDE_FILE_CACHE_H
#define CLI_OUTSIDE_FILE_CACHE_H

/* Files by their hash, kept in memory: those that were asked for last, up to a number of
 * bytes. What is put in is what its hash names (the caller has checked).
 *
 * Threads: any. Cost: a walk over at most 1,024 entries. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

typedef struct outside_file_cache outside_file_cache;

/* Errors: CRDT_ENOMEM. */
crdt_err outside_file_cache_open(outside_file_cache **out, crdt_alloc alloc,
                                 size_t size_max);
/* Accepts NULL. */
void outside_file_cache_close(outside_file_cache *cache);

/* Append the file. False: it is not there, or there is no memory; `out` as before. */
bool outside_file_cache_get(outside_file_cache *cache, const char *hash, crdt_buf *out);
/* Keep a copy; what was not asked for the longest makes room. A file that is larger than a
 * quarter of the cache, or for which there is no memory, is not kept. */
void outside_file_cache_put(outside_file_cache *cache, const char *hash,
                            crdt_span content);
/* Bytes that are kept. */
size_t outside_file_cache_size(outside_file_cache *cache);

#endif /* CLI_OUTSIDE_FILE_CACHE_H */
