#include "cli/servers/auth_chain.h"

#include <criterion/criterion.h>

#define ADDRESS "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
#define LOWER "0xabcdef0123456789abcdef0123456789abcdef01"
#define EPHEMERAL                                                                      \
    "Decentraland Login\nEphemeral address: " ADDRESS                                  \
    "\nExpiration: 2026-01-31T12:00:00.000Z"
#define EXPIRES 1769860800000u /* that time */

static servers_auth_link link_of(const char *type, const char *payload,
                                 const char *signature)
{
    return (servers_auth_link){crdt_span_of(type), crdt_span_of(payload),
                               crdt_span_of(signature)};
}

static servers_auth_chain chain_of(void)
{
    return (servers_auth_chain){
        .links = {link_of("SIGNER", ADDRESS, ""),
                  link_of("ECDSA_EPHEMERAL", EPHEMERAL, "0x12ab"),
                  link_of("ECDSA_SIGNED_ENTITY", "what is signed", "0x12AB")},
        .count = 3};
}

static crdt_err check(const servers_auth_chain *chain, uint64_t now_ms)
{
    char owner[SERVERS_ADDRESS_SIZE];
    crdt_span text;
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_auth_chain_check(chain, now_ms, owner, &text, &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0'));
    if (err == CRDT_OK) {
        cr_assert_str_eq(owner, LOWER);
        cr_assert(crdt_span_equal(text, crdt_span_of("what is signed")));
    }
    return err;
}

Test(auth_chain, good_ones)
{
    servers_auth_chain chain = chain_of();
    cr_assert_eq(check(&chain, EXPIRES), CRDT_OK);
    chain.links[1] = chain.links[2];
    chain.count = 2;
    cr_assert_eq(check(&chain, EXPIRES), CRDT_OK);
    chain.links[1].type = crdt_span_of("ECDSA_EIP_1654_SIGNED_ENTITY");
    cr_assert_eq(check(&chain, EXPIRES), CRDT_OK);
    chain.links[1].type = crdt_span_of("ECDSA_PERSONAL_SIGNED_ENTITY");
    cr_assert_eq(check(&chain, EXPIRES), CRDT_OK);
}

Test(auth_chain, it_expires)
{
    servers_auth_chain chain = chain_of();
    cr_assert_eq(check(&chain, EXPIRES), CRDT_OK);
    cr_assert_eq(check(&chain, EXPIRES + 1), CRDT_EREFUSED);
}

/* Each link with one thing wrong. */
Test(auth_chain, bad_ones)
{
    static const struct {
        size_t index;
        const char *type;
        const char *payload;
        const char *signature;
    } cases[] = {
        {0, "signer", ADDRESS, ""},
        {0, "SIGNER", "0xAbC", ""},
        {0, "SIGNER", "1xAbCdEf0123456789aBcDeF0123456789AbCdEf01", ""},
        {0, "SIGNER", "0xAbCdEf0123456789aBcDeF0123456789AbCdEf0g", ""},
        {0, "SIGNER", ADDRESS "0", ""},
        {0, "SIGNER", "", ""},
        {0, "ECDSA_EPHEMERAL", EPHEMERAL, "0x12"},
        {1, "SIGNER", ADDRESS, ""},
        {1, "ECDSA_SIGNED_ENTITY", "what is signed", "0x12"},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL, ""},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL, "0x"},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL, "0x123"},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL, "12ab"},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL, "0x12zz"},
        {1, "ECDSA_EPHEMERAL", EPHEMERAL "\nand more", "0x12"},
        {1, "ECDSA_EPHEMERAL", "Ephemeral address: " ADDRESS, "0x12"},
        {1, "ECDSA_EPHEMERAL", "Login\nEphemeral address: x\nExpiration: 2026", "0x12"},
        {1, "ECDSA_EPHEMERAL",
         "Login\nEphemeral address: " ADDRESS "\nExpiration: tomorrow", "0x12"},
        {1, "ECDSA_EPHEMERAL", "", "0x12"},
        {2, "ECDSA_EPHEMERAL", EPHEMERAL, "0x12"},
        {2, "SIGNED_ENTITY", "what is signed", "0x12"},
        {2, "ECDSA_SIGNED_ENTITYX", "what is signed", "0x12"},
        {2, "ECDSA_SIGNED_ENTITY", "what is signed", ""},
        {2, "ECDSA_SIGNED_ENTITY", "what is signed", "signature"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        servers_auth_chain chain = chain_of();
        chain.links[cases[i].index] =
            link_of(cases[i].type, cases[i].payload, cases[i].signature);
        cr_assert_eq(check(&chain, EXPIRES), CRDT_EREFUSED, "case %zu", i);
    }
    servers_auth_chain chain = chain_of();
    chain.count = 1;
    cr_assert_eq(check(&chain, EXPIRES), CRDT_EREFUSED);
    chain.count = 0;
    cr_assert_eq(check(&chain, EXPIRES), CRDT_EREFUSED);
}

Test(auth_chain, signed_calls)
{
    static const struct {
        const char *text;
        const char *timestamp;
        const char *metadata;
        bool good;
    } cases[] = {
        {"put:/projects/ID/manifest", "", "", true},
        {"put:/v1/projects/id/manifest", "", "", true},
        {"PUT:/v1/projects/ID/manifest", "", "", true},
        {"get:/projects/id/manifest", "", "", false},
        {"put:/projects/other/manifest", "", "", false},
        {"put:/projects/id/manifes", "", "", false},
        {"put:/projects/id/manifest/", "", "", false},
        {"put/projects/id/manifest", "", "", false},
        {"", "", "", false},
        {"put:/projects/id/manifest:1000000000000:{\"a\":1}", "1000000000000",
         "{\"a\":1}", true},
        {"put:/projects/id/manifest:1000000000000:", "1000000000000", "", true},
        {"put:/projects/id/manifest:1000000000000:{}", "1000000000000", "", false},
        {"put:/projects/id/manifest:1000000000000:{}", "1000000000001", "{}", false},
        {"put:/projects/id/manifest", "1000000000000", "", false},
        /* 30 minutes before and after, and a bit more */
        {"put:/projects/id/manifest:999998200000:", "999998200000", "", true},
        {"put:/projects/id/manifest:999998199999:", "999998199999", "", false},
        {"put:/projects/id/manifest:1000001800000:", "1000001800000", "", true},
        {"put:/projects/id/manifest:1000001800001:", "1000001800001", "", false},
        {"put:/projects/id/manifest:soon:", "soon", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        servers_signed_call call = {.method = "PUT",
                                    .path = "/v1/projects/ID/manifest",
                                    .timestamp = cases[i].timestamp,
                                    .metadata = cases[i].metadata};
        crdt_err err = servers_signed_call_check(&call, crdt_span_of(cases[i].text),
                                                 1000000000000u, NULL);
        cr_assert_eq(err, cases[i].good ? CRDT_OK : CRDT_EREFUSED, "case %zu", i);
    }
}

Test(auth_chain, times)
{
    static const struct {
        const char *text;
        uint64_t time_ms;
    } good[] = {
        {"1970-01-01T00:00:00.000Z", 0},         {"1970-01-01T00:00:01.234Z", 1234},
        {"2000-02-29T23:59:59Z", 951868799000},  {"2000-03-01T00:00:00Z", 951868800000},
        {"2100-03-01T00:00:00Z", 4107542400000}, {"2026-01-31T12:00:00.000Z", EXPIRES},
    };
    uint64_t time_ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(servers_time_parse(crdt_span_of(good[i].text), &time_ms));
        cr_assert_eq(time_ms, good[i].time_ms, "%s", good[i].text);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.0Z",
        "2026-13-31T12:00:00Z",
        "2026-01-32T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-31T12:00:00Zz",
        "2026-01-31 12:00:00Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(servers_time_parse(crdt_span_of(bad[i]), &time_ms), "%s", bad[i]);
    }
}
