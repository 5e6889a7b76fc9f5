#ifndef CLI_PAGE_ASSET_H
#define CLI_PAGE_ASSET_H

/* The page that people open in a browser, as it was compiled in: its files, and how they
 * are answered.
 *
 *     GET /                     the page: the scene of this worker
 *     GET /status               how the scene's replicas are
 *     GET /page/NAME-HASH.js    what they are made of; the name changes with the bytes, so a
 *                               browser keeps it for good
 *     GET /page/licenses.txt    of the libraries within
 *
 * They hold nothing of any scene, so they are for everybody: what they show they ask for,
 * with the token of whoever opened them.
 *
 * The table is made when the program is built (cmake/page.cmake, cmake/page_assets.cmake);
 * where there was no npm, it has a page that says so. Nothing is allocated. */

#include "cli/web/server.h"

typedef struct page_asset {
    const char *path; /* "/page/main-ABCDEFGH.js" */
    const char *type; /* Content-Type */
    bool hashed;      /* its name tells its bytes */
    crdt_span plain;
    crdt_span gzip; /* the same; empty: not worth it */
    const char *plain_etag;
    const char *gzip_etag;
} page_asset;

/* Made: sorted by path. */
extern const page_asset page_assets[];
extern const size_t page_asset_count;

/* The one at this path; NULL: none. O(number of assets). */
const page_asset *page_asset_find(const char *path);

/* Answer a GET or HEAD of `request->path`: gzipped for who takes that, 304 to who has it,
 * 404 where there is none. */
void page_asset_answer(const web_request *request, web_reply *reply);

#endif /* CLI_PAGE_ASSET_H */
