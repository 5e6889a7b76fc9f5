#include "cli/servers/multipart.h"

#include <strings.h>

#define BOUNDARY_MAX 70        /* RFC 2046 */
#define HEADERS_SIZE_MAX 8192u /* of one part */

typedef struct multipart_reader {
    crdt_span body;
    size_t offset;
    char mark[BOUNDARY_MAX + 5]; /* CRLF -- BOUNDARY */
    size_t mark_size;
    crdt_diag *diag;
} multipart_reader;

static crdt_err refuse(const multipart_reader *reader, const char *text)
{
    return crdt_diag_set(reader->diag, CRDT_ECORRUPT, reader->offset, "%s", text);
}

/* ---- the header of the request ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* After the first `;`: the value of `boundary`, quoted or not. */
static bool find_boundary(const char *text, char out[BOUNDARY_MAX + 1])
{
    while ((text = strchr(text, ';')) != NULL) {
        text++;
        text += strspn(text, " \t");
        if (strncasecmp(text, "boundary=", 9) != 0) {
            continue;
        }
        text += 9;
        size_t size;
        if (*text == '"') {
            text++;
            size = strcspn(text, "\"");
            if (text[size] != '"') {
                return false;
            }
        } else {
            size = strcspn(text, "; \t");
        }
        /* RFC 2046: 1 to 70 characters, no space at the end; none that ends a line. */
        if (size == 0 || size > BOUNDARY_MAX || is_space(text[size - 1]) ||
            memchr(text, '\r', size) != NULL || memchr(text, '\n', size) != NULL) {
            return false;
        }
        memcpy(out, text, size);
        out[size] = '\0';
        return true;
    }
    return false;
}

static crdt_err open_reader(multipart_reader *reader, const char *type, crdt_span body,
                            crdt_diag *diag)
{
    static const char kind[] = "multipart/form-data";
    *reader = (multipart_reader){.body = body, .diag = diag};
    char boundary[BOUNDARY_MAX + 1];
    size_t kind_size = sizeof kind - 1;
    if (strncasecmp(type, kind, kind_size) != 0 ||
        (type[kind_size] != ';' && !is_space(type[kind_size])) ||
        !find_boundary(type + kind_size, boundary)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "the body must be multipart/form-data with a boundary");
    }
    memcpy(reader->mark, "\r\n--", 4);
    memcpy(reader->mark + 4, boundary, strlen(boundary));
    reader->mark_size = 4 + strlen(boundary);
    return CRDT_OK;
}

/* ---- the body ---- */

static bool starts_with(const multipart_reader *reader, const char *text, size_t size)
{
    return reader->body.size - reader->offset >= size &&
           memcmp(reader->body.data + reader->offset, text, size) == 0;
}

static const uint8_t *find_mark(const multipart_reader *reader)
{
    return memmem(reader->body.data + reader->offset,
                  reader->body.size - reader->offset, reader->mark, reader->mark_size);
}

/* Go behind the first boundary: at the start, or after a preamble. */
static crdt_err skip_preamble(multipart_reader *reader)
{
    if (starts_with(reader, reader->mark + 2, reader->mark_size - 2)) {
        reader->offset += reader->mark_size - 2;
        return CRDT_OK;
    }
    const uint8_t *found = find_mark(reader);
    if (found == NULL) {
        return refuse(reader, "the boundary is not there");
    }
    reader->offset = (size_t)(found - reader->body.data) + reader->mark_size;
    return CRDT_OK;
}

/* What follows a boundary: `--` ends the body, CRLF begins a part. */
static crdt_err after_boundary(multipart_reader *reader, bool *end)
{
    *end = starts_with(reader, "--", 2);
    if (*end) {
        return CRDT_OK;
    }
    while (starts_with(reader, " ", 1) || starts_with(reader, "\t", 1)) {
        reader->offset++;
    }
    if (!starts_with(reader, "\r\n", 2)) {
        return refuse(reader, "a boundary must be followed by a line end or `--`");
    }
    reader->offset += 2;
    return CRDT_OK;
}

/* A parameter of Content-Disposition: ; name="text". */
static bool find_parameter(crdt_span header, const char *name, crdt_span *value)
{
    size_t name_size = strlen(name);
    const char *at = (const char *)header.data;
    const char *end = at + header.size;
    while ((at = memchr(at, ';', (size_t)(end - at))) != NULL) {
        at++;
        while (at < end && is_space(*at)) {
            at++;
        }
        const char *key = at;
        while (at < end && *at != '=' && *at != ';') {
            at++;
        }
        bool wanted =
            (size_t)(at - key) == name_size && strncasecmp(key, name, name_size) == 0;
        if (at + 1 >= end || *at != '=' || at[1] != '"') {
            continue;
        }
        const char *text = at + 2;
        const char *close = text;
        while (close < end && *close != '"') {
            close += *close == '\\' && close + 1 < end ? 2 : 1;
        }
        if (close >= end) {
            return false;
        }
        if (wanted) {
            *value = (crdt_span){(const uint8_t *)text, (size_t)(close - text)};
            return true;
        }
        at = close + 1;
    }
    return false;
}

/* Is this line the header `name`? Then *value is what it says. */
static bool is_header(crdt_span line, const char *name, crdt_span *value)
{
    size_t size = strlen(name);
    if (line.size <= size || line.data[size] != ':' ||
        strncasecmp((const char *)line.data, name, size) != 0) {
        return false;
    }
    *value = (crdt_span){line.data + size + 1, line.size - size - 1};
    while (value->size > 0 && is_space((char)value->data[0])) {
        value->data++;
        value->size--;
    }
    while (value->size > 0 && is_space((char)value->data[value->size - 1])) {
        value->size--;
    }
    return true;
}

static bool span_is(crdt_span span, const char *text)
{
    return span.size == strlen(text) &&
           strncasecmp((const char *)span.data, text, span.size) == 0;
}

static crdt_err take_header(const multipart_reader *reader, crdt_span line,
                            servers_part *part)
{
    crdt_span value;
    if (is_header(line, "content-disposition", &value)) {
        if (value.size < 9 ||
            strncasecmp((const char *)value.data, "form-data", 9) != 0 ||
            !find_parameter(value, "name", &part->name)) {
            return refuse(reader, "Content-Disposition must be form-data with a name");
        }
        find_parameter(value, "filename", &part->file_name);
    } else if (is_header(line, "content-type", &value)) {
        part->type = value;
    } else if (is_header(line, "content-transfer-encoding", &value) &&
               !span_is(value, "binary") && !span_is(value, "8bit") &&
               !span_is(value, "7bit")) {
        return refuse(reader, "this Content-Transfer-Encoding is not understood");
    }
    return CRDT_OK;
}

/* The lines up to the empty one. */
static crdt_err read_headers(multipart_reader *reader, servers_part *part)
{
    *part = (servers_part){.name = {NULL, 0}};
    size_t start = reader->offset;
    for (;;) {
        const uint8_t *at = reader->body.data + reader->offset;
        size_t left = reader->body.size - reader->offset;
        const uint8_t *end =
            memmem(at, left < HEADERS_SIZE_MAX ? left : HEADERS_SIZE_MAX, "\r\n", 2);
        if (end == NULL || reader->offset - start > HEADERS_SIZE_MAX) {
            return refuse(reader, "the headers of a part do not end");
        }
        crdt_span line = {at, (size_t)(end - at)};
        if (line.size == 0) {
            reader->offset += 2;
            break;
        }
        crdt_err err = take_header(reader, line, part);
        if (err != CRDT_OK) {
            return err;
        }
        reader->offset += line.size + 2;
    }
    return part->name.data != NULL
               ? CRDT_OK
               : refuse(reader, "a part has no Content-Disposition");
}

static crdt_err read_part(multipart_reader *reader, servers_part *part)
{
    crdt_err err = read_headers(reader, part);
    if (err != CRDT_OK) {
        return err;
    }
    /* An empty content: the line end before the boundary is that of the headers. */
    const uint8_t *end;
    if (starts_with(reader, reader->mark + 2, reader->mark_size - 2)) {
        end = reader->body.data + reader->offset;
        reader->offset += reader->mark_size - 2;
    } else {
        end = find_mark(reader);
        if (end == NULL) {
            return refuse(reader, "a part does not end with the boundary");
        }
        part->content.data = reader->body.data + reader->offset;
        part->content.size = (size_t)(end - part->content.data);
        reader->offset = (size_t)(end - reader->body.data) + reader->mark_size;
    }
    return CRDT_OK;
}

crdt_err servers_multipart_parse(const char *type, crdt_span body, servers_part *parts,
                                 size_t part_max, size_t *part_count, crdt_diag *diag)
{
    *part_count = 0;
    if (body.size == 0) {
        body.data = (const uint8_t *)"";
    }
    multipart_reader reader;
    crdt_err err = open_reader(&reader, type, body, diag);
    if (err == CRDT_OK) {
        err = skip_preamble(&reader);
    }
    while (err == CRDT_OK) {
        bool end = false;
        err = after_boundary(&reader, &end);
        if (err != CRDT_OK || end) {
            break;
        }
        if (*part_count == part_max) {
            return crdt_diag_set(diag, CRDT_ELIMIT, reader.offset,
                                 "more than %zu parts", part_max);
        }
        err = read_part(&reader, &parts[*part_count]);
        *part_count += err == CRDT_OK;
    }
    return err;
}

const servers_part *servers_multipart_find(const servers_part *parts, size_t part_count,
                                           const char *name)
{
    for (size_t i = 0; i < part_count; i++) {
        if (crdt_span_equal(parts[i].name, crdt_span_of(name))) {
            return &parts[i];
        }
    }
    return NULL;
}
