#include "cli/content/cid.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define CHUNK ((size_t)256 * 1024)

static void expect(crdt_span content, const char *cid)
{
    char text[CONTENT_CID_SIZE];
    content_cid(content, text);
    cr_assert_str_eq(text, cid);
    cr_assert(content_cid_valid(cid));
    cr_assert(content_cid_matches(cid, content));
}

static uint8_t *filled(size_t size, int (*fill)(size_t i))
{
    uint8_t *bytes = calloc(1, size);
    cr_assert_not_null(bytes);
    for (size_t i = 0; fill != NULL && i < size; i++) {
        bytes[i] = (uint8_t)fill(i);
    }
    return bytes;
}

static int by_chunk(size_t i)
{
    return (int)(i / CHUNK) + 1;
}

static int mixed(size_t i)
{
    return (int)(i * 7 % 251);
}

/* Known far and wide: the empty file and "hello world", as `ipfs add --cid-version=1`
 * names them. */
Test(cid, small_files)
{
    expect((crdt_span){NULL, 0},
           "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    expect(crdt_span_of("hello world"),
           "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
}

/* Zeros: one chunk, one full node, and one byte more. Vectors that other implementations
 * (Rust, Go) publish for these files. */
Test(cid, trees)
{
    uint8_t *zeros = filled(174 * CHUNK + 1, NULL);
    expect((crdt_span){zeros, CHUNK},
           "bafkreiekhhjkxu4ztk3tyng3er3ijhg56mb44oe3gwbgquhzu4afrg2ksa");
    expect((crdt_span){zeros, 174 * CHUNK},
           "bafybeibxsa3ioclowpaq7b6gxl65gzqneopfr3fnhedak6sqr4bjz5lnyq");
    expect((crdt_span){zeros, 174 * CHUNK + 1},
           "bafybeihqwzd3o6q6v3pmwhzjy22vokhr767burokmqemg63hptx2nqd7ym");
    cr_assert(content_cid_matches("QmehMASWcBsX7VcEQqs6rpR5AHoBfKyBVEgmkJHjpPg8jq",
                                  (crdt_span){zeros, 174 * CHUNK + 1}));
    free(zeros);
}

/* Computed with an independent program from the specifications, which gives all vectors
 * of the other tests too. */
Test(cid, around_the_chunk_size)
{
    static const struct {
        size_t size;
        const char *v1;
        const char *v0;     /* dag-pb leaves */
        const char *v0_raw; /* raw leaves below a CIDv0 */
    } cases[] = {
        {CHUNK + 1, "bafybeigi6b7obvqgkbrcienqnvinwyzqgjyf2q2hdkv5wr6rovjwr7jene",
         "QmbpGbbQwpY1uBjycUZZJXy2mV3kKFbd5fFAzhhisZWPbe",
         "Qmbs2wk15QRAMVkJCCaEFwUPUhzCDMkB5xvaWPvnpfSihn"},
        {2 * CHUNK, "bafybeic4i6iimh76o3a6vom3gawezgc2c5agbfx4c5pnq7rqc3mwualg6u",
         "QmWutJLPFCiVxeTG2VkQYjP3ouoZytwDK2SqxvbS8zrmfc",
         "QmUYsWX9mtqjJRaQYnNRmE3BD9KBB3mLJmmff8xxzaoWDA"},
        {3 * CHUNK - 1, "bafybeifhppye6cse3wlgve776ppstm6zounshjqukuty6uzfnrb5kfzisu",
         "Qmd4uprFbnsywB64yKcPuMvjmtmgnNLdKxnRoFj2tyaVAC",
         "QmZcSQZgbgNEGA93CiuuDCY6YWvsSFnj5ezknL2YeS6ttc"},
    };
    uint8_t *bytes = filled(3 * CHUNK, mixed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        crdt_span content = {bytes, cases[i].size};
        expect(content, cases[i].v1);
        cr_assert(content_cid_matches(cases[i].v0, content));
        cr_assert(content_cid_matches(cases[i].v0_raw, content));
        content.size--;
        cr_assert_not(content_cid_matches(cases[i].v1, content));
        cr_assert_not(content_cid_matches(cases[i].v0, content));
    }
    free(bytes);
}

Test(cid, version_0)
{
    cr_assert(content_cid_matches("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
                                  (crdt_span){NULL, 0}));
    cr_assert(content_cid_matches("Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",
                                  crdt_span_of("hello world")));
    cr_assert_not(content_cid_matches("Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",
                                      crdt_span_of("hello worle")));
}

/* Version 1 with dag-pb leaves: `ipfs add --cid-version=1 --raw-leaves=false`. */
Test(cid, version_1_with_dag_pb_leaves)
{
    cr_assert(content_cid_matches(
        "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y",
        (crdt_span){NULL, 0}));
    cr_assert(content_cid_matches(
        "bafybeid3weurg3gvyoi7nisadzolomlvoxoppe2sesktnpvdve3256n5tq",
        crdt_span_of("hello")));
    uint8_t *bytes = filled(3 * CHUNK, by_chunk);
    cr_assert(content_cid_matches(
        "bafybeiegda62p2cdi5sono3h3hqjnxwc56z4nocynrj44rz7rtc2p246cy",
        (crdt_span){bytes, 3 * CHUNK}));
    memset(bytes, 'x', 100000);
    cr_assert(content_cid_matches(
        "bafybeiay23kics7rguz4kaxxmyz7d6bciozygbi27wllerri6dpqenuifi",
        (crdt_span){bytes, 100000}));
    free(bytes);
}

Test(cid, names_of_real_deployments_are_valid)
{
    cr_assert(content_cid_valid(
        "bafybeianxkwd7i4cgxdat7mu4nbxfyic6qtswxlq2ehk634xefsscxsuya"));
    cr_assert(content_cid_valid(
        "bafkreihykskexrtmeilyl5eukvc2da2w523mwraklmqp34xm2oyxt3ahmi"));
    cr_assert(content_cid_valid("QmQ9UorFsVTpaVpCwJZAzFyCmaGf7Ksi6aQHYTJVKyzVMh"));
}

Test(cid, what_is_no_cid)
{
    static const char *const texts[] = {
        "",
        "b",
        "Qm",
        "../../etc/passwd",
        /* one letter short, one too many */
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5ea",
        /* upper case, padding, a letter outside the alphabet */
        "BAFKREIFZJUT3TE2NHYEKKLSS27NH3K72YSCO7Y32KOAO5EEI66WOF36N5E",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5=",
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n1e",
        /* bits behind the last byte: another name of the same file */
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5f",
        /* other codec (dag-cbor), other hash (blake3), other multibase */
        "bafyreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
        "bafkr4ihkr4ld3m4gqkjf4reryxsy2s5tkbxprqkow6fin2iiyvreuzzab4",
        "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",
        /* base58: letters that are not in it, too large a number, another hash */
        "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyf0",
        "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfl",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "1111111111111111111111111111111111111111111111",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert_not(content_cid_valid(texts[i]), "%s", texts[i]);
        cr_assert_not(content_cid_matches(texts[i], crdt_span_of("hello world")));
    }
}

Test(cid, one_byte_more_is_another_name)
{
    uint8_t *bytes = filled(4 * CHUNK, mixed);
    char previous[CONTENT_CID_SIZE] = "";
    for (size_t size = 2 * CHUNK - 2; size < 2 * CHUNK + 3; size++) {
        char text[CONTENT_CID_SIZE];
        content_cid((crdt_span){bytes, size}, text);
        cr_assert_str_neq(text, previous);
        cr_assert(content_cid_valid(text));
        memcpy(previous, text, sizeof text);
    }
    free(bytes);
}
