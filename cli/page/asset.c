#include "cli/page/asset.h"

#include "cli/web/accept.h"

#include <string.h>

/* Scripts and styles are files of this server; models and pictures are fetched from it,
 * and taken apart in memory (blob:, data:). No scripts in the text, no eval, no other
 * site, no frame, no form. */
#define POLICY                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; "                        \
    "img-src 'self' data: blob:; connect-src 'self' blob:; font-src 'self'; "          \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const page_asset *page_asset_find(const char *path)
{
    for (size_t i = 0; i < page_asset_count; i++) {
        if (strcmp(page_assets[i].path, path) == 0) {
            return &page_assets[i];
        }
    }
    return NULL;
}

void page_asset_answer(const web_request *request, web_reply *reply)
{
    const page_asset *asset = page_asset_find(request->path);
    if (asset == NULL) {
        web_reply_error(reply, 404, "there is nothing at %s", request->path);
        return;
    }
    char text[512];
    bool gzip =
        asset->gzip.size > 0 &&
        web_accept_encoding(
            web_request_header(request, "accept-encoding", text, sizeof text), "gzip");
    reply->type = asset->type;
    reply->cache = asset->hashed ? "public, max-age=31536000, immutable" : "no-cache";
    reply->etag = gzip ? asset->gzip_etag : asset->plain_etag;
    reply->varies = asset->gzip.size > 0;
    reply->policy = POLICY;
    if (web_accept_has(web_request_header(request, "if-none-match", text, sizeof text),
                       reply->etag)) {
        reply->status = 304;
        return;
    }
    reply->encoding = gzip ? "gzip" : NULL;
    reply->still = gzip ? asset->gzip : asset->plain;
}
