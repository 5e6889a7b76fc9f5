#include "cli/servers/multipart.h"

#include <criterion/criterion.h>

#define TYPE "multipart/form-data; boundary=xyz"
#define MAX 4

static crdt_err parse(const char *type, const char *body, servers_part *parts,
                      size_t *count)
{
    crdt_diag diag = {.text = ""};
    crdt_err err =
        servers_multipart_parse(type, crdt_span_of(body), parts, MAX, count, &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0'));
    cr_assert(diag.offset <= strlen(body));
    return err;
}

static void expect(crdt_span span, const char *text)
{
    cr_assert(crdt_span_equal(span, crdt_span_of(text)), "%.*s", (int)span.size,
              (const char *)span.data);
}

Test(multipart, fields_and_files)
{
    servers_part parts[MAX];
    size_t count;
    cr_assert_eq(
        parse(TYPE,
              "--xyz\r\n"
              "Content-Disposition: form-data; name=\"a\"\r\n\r\n"
              "1\r\n2\r\n"
              "--xyz\r\n"
              "content-disposition:form-data; filename=\"f.bin\"; name=\"b\"\r\n"
              "Content-Type:  application/octet-stream \r\n\r\n"
              "\r\n--xy\r\n\r\n"
              "--xyz--\r\nwhat follows does not count",
              parts, &count),
        CRDT_OK);
    cr_assert_eq(count, 2);
    expect(parts[0].name, "a");
    expect(parts[0].content, "1\r\n2");
    cr_assert_null(parts[0].file_name.data);
    expect(parts[0].type, "");
    expect(parts[1].name, "b");
    expect(parts[1].file_name, "f.bin");
    expect(parts[1].type, "application/octet-stream");
    expect(parts[1].content, "\r\n--xy\r\n");
    cr_assert_eq(servers_multipart_find(parts, count, "b"), &parts[1]);
    cr_assert_null(servers_multipart_find(parts, count, "c"));
}

Test(multipart, empty_things)
{
    servers_part parts[MAX];
    size_t count;
    cr_assert_eq(parse(TYPE, "--xyz--", parts, &count), CRDT_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(parse(TYPE,
                       "--xyz\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n"
                       "--xyz--",
                       parts, &count),
                 CRDT_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(parts[0].name.size, 0);
    cr_assert_not_null(parts[0].name.data);
    cr_assert_eq(parts[0].content.size, 0);
    /* The line end of the headers is that before the boundary. */
    cr_assert_eq(parse(TYPE,
                       "--xyz\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n"
                       "--xyz--",
                       parts, &count),
                 CRDT_OK);
    cr_assert_eq(parts[0].content.size, 0);
}

Test(multipart, a_preamble_and_blanks_after_the_boundary)
{
    servers_part parts[MAX];
    size_t count;
    cr_assert_eq(
        parse(TYPE,
              "for old readers\r\n--xyz  \t\r\n"
              "Content-Disposition: form-data; name=\"a;b=\\\"c\"\r\n\r\n1\r\n--xyz--",
              parts, &count),
        CRDT_OK);
    expect(parts[0].name, "a;b=\\\"c");
}

Test(multipart, content_may_hold_any_byte)
{
    static const char body[] = "--xyz\r\nContent-Disposition: form-data; "
                               "name=\"a\"\r\n\r\n\0\xff\0\r\n--xyz--";
    servers_part parts[MAX];
    size_t count;
    crdt_span bytes = {(const uint8_t *)body, sizeof body - 1};
    cr_assert_eq(servers_multipart_parse(TYPE, bytes, parts, MAX, &count, NULL),
                 CRDT_OK);
    cr_assert_eq(parts[0].content.size, 3);
    cr_assert_eq(memcmp(parts[0].content.data, "\0\xff\0", 3), 0);
}

Test(multipart, content_types)
{
    static const struct {
        const char *type;
        bool good;
    } cases[] = {
        {"multipart/form-data; boundary=xyz", true},
        {"Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\"", true},
        {"multipart/form-data;boundary=xyz;more=1", true},
        {"multipart/form-data ; boundary=xyz", true},
        {"", false},
        {"multipart/form-data", false},
        {"multipart/form-data; boundary=", false},
        {"multipart/form-data; boundary=\"xyz", false},
        {"multipart/form-data; boundary=\"\"", false},
        {"multipart/form-data; boundary=\"xyz \"", false},
        {"multipart/form-data; noboundary=xyz", false},
        {"multipart/form-dataset; boundary=xyz", false},
        {"multipart/mixed; boundary=xyz", false},
        {"application/json", false},
        {"multipart/form-data; boundary="
         "12345678901234567890123456789012345678901234567890123456789012345678901",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        servers_part parts[MAX];
        size_t count;
        crdt_err err = parse(cases[i].type, "--xyz--", parts, &count);
        cr_assert_eq(err, cases[i].good ? CRDT_OK : CRDT_EINVAL, "%s", cases[i].type);
    }
}

Test(multipart, broken_bodies)
{
#define HEAD "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
    static const char *const bodies[] = {
        "",
        "--xyz",
        "--xy",
        "-",
        "--xyzz\r\n",
        "--xyz-",
        "--xyz\r\n",
        "--xyz\r\n\r\n--xyz--",                                  /* no disposition */
        "--xyz\r\nContent-Type: text/plain\r\n\r\n1\r\n--xyz--", /* likewise */
        "--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--", /* no name */
        "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xyz--",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--xyz--",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\\",
        "--xyz\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--xyz--",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\"", /* cut off */
        HEAD,
        HEAD "1",
        HEAD "1\r\n",
        HEAD "1\r\n--xyz",
        HEAD "1\r\n--xyzq",
        HEAD "1\n--xyz--",
        ("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--xyz--"),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        servers_part parts[MAX];
        size_t count;
        cr_assert_eq(parse(TYPE, bodies[i], parts, &count), CRDT_ECORRUPT, "%zu", i);
    }
}

Test(multipart, limits)
{
    char body[16384] = "";
    for (int i = 0; i < MAX + 1; i++) {
        strncat(body, HEAD "1\r\n", sizeof body - strlen(body) - 1);
    }
    strncat(body, "--xyz--", sizeof body - strlen(body) - 1);
    servers_part parts[MAX];
    size_t count;
    cr_assert_eq(parse(TYPE, body, parts, &count), CRDT_ELIMIT);
    cr_assert_eq(count, MAX);

    /* Headers without end: 12 KB of them. */
    memcpy(body, "--xyz\r\n", 7);
    for (size_t i = 7; i < 12000; i += 8) {
        memcpy(body + i, "a: bcd\r\n", 8);
    }
    body[12007] = '\0';
    cr_assert_eq(parse(TYPE, body, parts, &count), CRDT_ECORRUPT);
}
