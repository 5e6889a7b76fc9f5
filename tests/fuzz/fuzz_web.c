#include "cli/web/client.h"
#include "cli/web/origin.h"
#include "cli/web/server.h"
#include "cli/web/url.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* What our own code reads of a request: the path, the query, Host and Origin. The input is
 * lines: path, query, name of a parameter, Host, Origin, base URL. */

#define TEXT_MAX 512

/* The next line as a string; its NULs stay in `line`. */
static void take_line(const uint8_t **at, const uint8_t *end, char text[TEXT_MAX],
                      crdt_span *line)
{
    const uint8_t *newline = *at == end ? NULL : memchr(*at, '\n', (size_t)(end - *at));
    const uint8_t *stop = newline == NULL ? end : newline;
    size_t size = (size_t)(stop - *at);
    *line = (crdt_span){*at, size};
    size = size < TEXT_MAX - 1 ? size : TEXT_MAX - 1;
    if (size > 0) {
        memcpy(text, *at, size);
    }
    text[size] = '\0';
    *at = newline == NULL ? end : newline + 1;
}

static bool holds(crdt_span text, const char *what)
{
    return text.size > 0 && memmem(text.data, text.size, what, strlen(what)) != NULL;
}

/* A path that is let through leads nowhere else. */
static bool check_path(crdt_span path)
{
    char decoded[TEXT_MAX];
    if (!web_url_path_ok(path)) {
        return false;
    }
    assert(path.data[0] == '/' && path.size < WEB_PATH_MAX);
    assert(!holds(path, "/../") && !holds(path, "/./") && !holds(path, "//"));
    assert(memchr(path.data, 0, path.size) == NULL && !holds(path, "\\"));
    assert(path.size < 3 || memcmp(path.data + path.size - 3, "/..", 3) != 0);
    assert(path.size < 2 || memcmp(path.data + path.size - 2, "/.", 2) != 0);
    if (web_url_decode(path, false, decoded, sizeof decoded)) {
        assert(strlen(decoded) <= path.size);
    }
    crdt_buf encoded;
    crdt_buf_init(&encoded, crdt_alloc_default());
    if (path.size < TEXT_MAX && web_url_encode(path, &encoded) == CRDT_OK) {
        assert(web_url_decode(crdt_buf_span(&encoded), true, decoded, sizeof decoded));
        assert(strlen(decoded) == path.size &&
               memcmp(decoded, path.data, path.size) == 0);
    }
    crdt_buf_deinit(&encoded);
    return true;
}

/* One path, escaped: three bytes for one, in a buffer that doubles. */
const fuzz_budget fuzz_target_budget = {.factor = 4, .fixed = 4096};

bool fuzz_target(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"edit.example", "other.example:9000", NULL};
    static const char *const origins[] = {"https://builder.example", NULL};
    static const web_origin_rules rules = {
        .port = 8080, .hosts = hosts, .origins = origins};
    const uint8_t *end = data + size;
    crdt_span line;
    char path[TEXT_MAX];
    char query[TEXT_MAX];
    char text[TEXT_MAX];
    char out[TEXT_MAX];
    char taken[4][256];
    take_line(&data, end, path, &line);
    bool good = check_path(line);
    take_line(&data, end, query, &line);
    take_line(&data, end, text, &line);
    if (web_url_parameter(query, text, out, 64)) {
        assert(strlen(out) < 64);
    }
    if (web_path_match(path, text, taken)) {
        assert(strchr(text, '*') == NULL || memchr(taken[0], 0, 256) != NULL);
    }
    take_line(&data, end, text, &line);
    if (web_origin_host_ok(&rules, text, "192.0.2.7")) {
        assert(strcasestr(text, "localhost") != NULL ||
               strcasestr(text, ".example") != NULL ||
               strstr(text, "127.0.0.1") != NULL || strstr(text, "::1") != NULL ||
               strstr(text, "192.0.2.7") != NULL);
        assert(strcasestr(text, "example") != NULL || strstr(text, "8080") != NULL);
        assert(strpbrk(text, "/@") == NULL);
    }
    take_line(&data, end, text, &line);
    web_origin_kind kind = web_origin_check(&rules, text, NULL);
    assert(kind != WEB_ORIGIN_LISTED || strcasecmp(text, origins[0]) == 0);
    assert(kind == WEB_ORIGIN_REFUSED || strcasecmp(text, "null") != 0);
    take_line(&data, end, text, &line);
    if (web_url_join(text, path, out, sizeof out)) {
        assert(strchr(out, '/') != NULL);
    }
    return good;
}
