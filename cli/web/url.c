#include "cli/web/url.h"

#include "cli/web/client.h"
#include "cli/web/server.h"
#include "crdt/value.h"

#include <string.h>

static bool segment_ok(const uint8_t *segment, size_t size, bool last)
{
    if (size == 0) {
        return last;
    }
    return !(size == 1 && segment[0] == '.') &&
           !(size == 2 && segment[0] == '.' && segment[1] == '.');
}

bool web_url_path_ok(crdt_span path)
{
    if (path.size == 0 || path.data[0] != '/' || path.size >= WEB_PATH_MAX) {
        return false;
    }
    for (size_t at = 0; at < path.size; at++) {
        uint8_t c = path.data[at];
        if (c < 0x20 || c == 0x7f || c == '\\') {
            return false;
        }
    }
    if (!crdt_utf8_valid(path, NULL)) {
        return false;
    }
    size_t start = 1;
    for (size_t at = 1; at <= path.size; at++) {
        if (at == path.size || path.data[at] == '/') {
            if (!segment_ok(path.data + start, at - start, at == path.size)) {
                return false;
            }
            start = at + 1;
        }
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (uint8_t)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool web_url_decode(crdt_span text, bool plus, char *out, size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (c == '%') {
            if (text.size - at < 3) {
                return false;
            }
            int high = hex_digit(text.data[at + 1]);
            int low = hex_digit(text.data[at + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            at += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0 || used + 1 >= size) {
            return false;
        }
        out[used++] = (char)c;
    }
    if (used >= size) {
        return false;
    }
    out[used] = '\0';
    return true;
}

crdt_err web_url_encode(crdt_span text, crdt_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    crdt_err err =
        text.size > SIZE_MAX / 3 ? CRDT_ENOMEM : crdt_buf_reserve(out, 3 * text.size);
    if (err != CRDT_OK) {
        return err;
    }
    for (size_t at = 0; at < text.size; at++) {
        uint8_t c = text.data[at];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
                     c == '~';
        if (plain) {
            out->data[out->size++] = c;
        } else {
            out->data[out->size++] = '%';
            out->data[out->size++] = (uint8_t)digits[c >> 4];
            out->data[out->size++] = (uint8_t)digits[c & 15];
        }
    }
    return CRDT_OK;
}

bool web_url_parameter(const char *query, const char *name, char *out, size_t size)
{
    char found[128];
    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        size_t name_size = equals == NULL ? length : (size_t)(equals - query);
        crdt_span key = {(const uint8_t *)query, name_size};
        if (web_url_decode(key, true, found, sizeof found) &&
            strcmp(found, name) == 0) {
            size_t skip = equals == NULL ? length : name_size + 1;
            crdt_span value = {(const uint8_t *)query + skip, length - skip};
            return web_url_decode(value, true, out, size);
        }
        query += length + (query[length] == '&');
    }
    return false;
}

bool web_url_join(const char *base, const char *path, char *out, size_t size)
{
    size_t base_size = strlen(base);
    while (base_size > 0 && base[base_size - 1] == '/') {
        base_size--;
    }
    path += strspn(path, "/");
    size_t first = strcspn(path, "/?");
    /* what stands behind "://" is a host, whatever its name */
    if (first > 0 && base_size > first + 1 && base[base_size - first - 1] == '/' &&
        base[base_size - first - 2] != '/' &&
        memcmp(base + base_size - first, path, first) == 0) {
        base_size -= first + 1;
    }
    size_t path_size = strlen(path);
    if (size == 0 || base_size >= size || path_size >= size - base_size - 1) {
        return false;
    }
    memcpy(out, base, base_size);
    out[base_size] = '/';
    memcpy(out + base_size + 1, path, path_size + 1);
    return true;
}

bool web_path_match(const char *path, const char *pattern, char taken[4][256])
{
    size_t count = 0;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0) {
            return false;
        }
        if (taken != NULL && count < 4) {
            size_t kept = size < 255 ? size : 255;
            memcpy(taken[count], path, kept);
            taken[count][kept] = '\0';
        }
        count++;
        path += size;
        pattern++;
    }
    return *path == '\0';
}
