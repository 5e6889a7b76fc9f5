/* Auth chains: what is told before anything is sent. */

#include "cli/content/auth_links.h"

#include <criterion/criterion.h>

#include <string.h>

#define ADDRESS "0x1111111111111111111111111111111111111aBc"
#define ENTITY "bafkreidryn63i4jcha4gxifyk3bllciylagy6k252yj7ynvehoe5fznsea"
#define SIGNER "{\"type\":\"SIGNER\",\"payload\":\"" ADDRESS "\",\"signature\":\"\"}"
#define KEY                                                                            \
    "{\"type\":\"ECDSA_EPHEMERAL\",\"payload\":\"Login\\nEphemeral\","                 \
    "\"signature\":\"0xabcd\"}"
#define SIGNED(type, payload)                                                          \
    "{\"type\":\"" type "\",\"payload\":\"" payload "\",\"signature\":\"0xABCD\"}"
#define LAST SIGNED("ECDSA_SIGNED_ENTITY", ENTITY)

static crdt_err read_chain(const char *text, crdt_diag *diag, size_t *count)
{
    content_auth_links links;
    *diag = (crdt_diag){0};
    crdt_err err = content_auth_links_read(&links, crdt_alloc_default(),
                                           crdt_span_of(text), ENTITY, diag);
    if (count != NULL) {
        *count = links.count;
    }
    content_auth_links_deinit(&links);
    return err;
}

Test(auth_links, chains_that_are_taken)
{
    static const struct {
        const char *text;
        size_t count;
    } ROWS[] = {{"[" SIGNER "," LAST "]", 2},
                {"[" SIGNER "," KEY "," LAST "]", 3},
                {"{\"authChain\":[" SIGNER "," KEY "," KEY "," LAST "]}", 4},
                {"[" SIGNER "," SIGNED("ECDSA_EIP_1654_SIGNED_ENTITY", ENTITY) "]", 2}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        crdt_diag diag;
        size_t count;
        cr_expect_eq(read_chain(ROWS[i].text, &diag, &count), CRDT_OK, "%s", diag.text);
        cr_expect_eq(count, ROWS[i].count);
    }
}

Test(auth_links, chains_that_are_refused)
{
    static const struct {
        const char *text;
        crdt_err err;
        const char *said;
    } ROWS[] = {
        {"", CRDT_EINVAL, "is needed"},
        {"{}", CRDT_ECORRUPT, "list"},
        {"[]", CRDT_EREFUSED, "2 to 8"},
        {"[" SIGNER "]", CRDT_EREFUSED, "2 to 8"},
        {"[" SIGNER "," KEY "," KEY "," KEY "," KEY "," KEY "," KEY "," KEY "," LAST
         "]",
         CRDT_EREFUSED, "2 to 8"},
        {"[1,2]", CRDT_ECORRUPT, "object"},
        {"[" SIGNER ",{\"type\":\"x\",\"payload\":\"y\"}]", CRDT_ECORRUPT, "signature"},
        {"[" SIGNER ",{\"type\":\"x\",\"payload\":1,\"signature\":\"\"}]",
         CRDT_ECORRUPT, "payload"},
        {"[" SIGNER ",{\"type\":\"x\\u0000\",\"payload\":\"\",\"signature\":\"\"}]",
         CRDT_ECORRUPT, "zero"},
        {"[" LAST "," SIGNER "]", CRDT_EREFUSED, "SIGNER"},
        {"[" KEY "," LAST "]", CRDT_EREFUSED, "SIGNER"},
        {"[{\"type\":\"SIGNER\",\"payload\":\"0x12\",\"signature\":\"\"}," LAST "]",
         CRDT_EREFUSED, "SIGNER"},
        {"[{\"type\":\"SIGNER\",\"payload\":\"" ADDRESS
         "\",\"signature\":\"0x1\"}," LAST "]",
         CRDT_EREFUSED, "SIGNER"},
        {"[" SIGNER "," LAST "," LAST "]", CRDT_EREFUSED, "link 2"},
        {"[" SIGNER "," KEY "]", CRDT_EREFUSED, "last"},
        {"[" SIGNER "," SIGNED("ECDSA_SIGNED_ENTITY", "bafother") "]", CRDT_EREFUSED,
         "another text"},
        {"[" SIGNER ",{\"type\":\"ECDSA_SIGNED_ENTITY\",\"payload\":\"" ENTITY
         "\",\"signature\":\"abcd\"}]",
         CRDT_EREFUSED, "signature 0x"},
        {"[" SIGNER ",{\"type\":\"ECDSA_SIGNED_ENTITY\",\"payload\":\"" ENTITY
         "\",\"signature\":\"0x\"}]",
         CRDT_EREFUSED, "signature 0x"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        crdt_diag diag;
        crdt_err err = read_chain(ROWS[i].text, &diag, NULL);
        cr_expect_eq(err, ROWS[i].err, "%zu: %s %s", i, crdt_err_name(err), diag.text);
        cr_expect_not_null(strstr(diag.text, ROWS[i].said), "%zu: %s", i, diag.text);
    }
}

Test(auth_links, a_chain_that_nobody_signed)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(content_auth_links_unsigned(ENTITY, &text), CRDT_OK);
    crdt_buf_append(&text, "", 1);
    crdt_diag diag;
    cr_expect_eq(read_chain((const char *)text.data, &diag, NULL), CRDT_OK, "%s",
                 diag.text);
    crdt_buf_deinit(&text);
}
