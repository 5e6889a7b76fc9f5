#ifndef CLI_WEB_URL_H
#define CLI_WEB_URL_H

/* Paths and queries of URLs: checked, decoded, put together. Pure: no I/O, no memory. */

#include "crdt/buf.h"

#include <stdbool.h>

#define WEB_PATH_MAX 2048  /* bytes of a path, decoded, with terminator */
#define WEB_QUERY_MAX 8192 /* bytes of a query; a longer one is refused (414) */

/* Is `path` (decoded) one that may be shown to a handler? It begins with '/', is UTF-8,
 * and holds no control byte, no backslash, no empty segment but the last, no segment "."
 * or "..". */
bool web_url_path_ok(crdt_span path);
/* Decode `%XX` (and '+' as a space if `plus`) into `out`, terminated. False: a broken
 * escape, a NUL, or it does not fit. */
bool web_url_decode(crdt_span text, bool plus, char *out, size_t size);
/* Append `text` to `out`, everything but letters, digits and `-._~` escaped.
 * Errors: CRDT_ENOMEM, `out` as before. */
crdt_err web_url_encode(crdt_span text, crdt_buf *out);
/* A parameter of `query` ("a=1&b=2", undecoded), decoded; the first of that name. False if
 * there is none, or it is broken, or does not fit. */
bool web_url_parameter(const char *query, const char *name, char *out, size_t size);

#endif /* CLI_WEB_URL_H */
