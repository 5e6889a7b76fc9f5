#include "cli/web/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* `;q=0`, `; q=0.000`: any other weight is some. */
static bool is_refused(const char *parameters, const char *end)
{
    const char *at = parameters;
    while (at < end && (at = memchr(at, ';', (size_t)(end - at))) != NULL) {
        at = skip_blanks(at + 1);
        if (strncasecmp(at, "q=", 2) == 0) {
            size_t size = strspn(at + 2, "0.");
            const char *after = skip_blanks(at + 2 + size);
            return size > 0 && (after >= end || *after == ';');
        }
    }
    return false;
}

bool web_accept_encoding(const char *header, const char *encoding)
{
    bool any = false;
    const char *at = header == NULL ? "" : header;
    while (*at != '\0') {
        at = skip_blanks(at);
        const char *end = at + strcspn(at, ",");
        size_t size = strcspn(at, ",; \t");
        bool taken = !is_refused(at + size, end);
        if (size == strlen(encoding) && strncasecmp(at, encoding, size) == 0) {
            return taken;
        }
        any = any || (size == 1 && *at == '*' && taken);
        at = *end == ',' ? end + 1 : end;
    }
    return any;
}

bool web_accept_has(const char *header, const char *etag)
{
    const char *at = header == NULL ? "" : skip_blanks(header);
    size_t size = strlen(etag);
    if (*at == '*') {
        return true;
    }
    while (*at != '\0') {
        at += strspn(at, " \t,");
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        if (*at != '"') {
            return false;
        }
        size_t quoted = strcspn(at + 1, "\"") + 2; /* with both its quotes */
        if (strncmp(at, etag, size) == 0 && quoted == size) {
            return true;
        }
        at += quoted - 1;
        at += *at == '"';
    }
    return false;
}
