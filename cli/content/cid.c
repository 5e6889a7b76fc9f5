#include "cli/content/cid.h"

#include "sync/crypto.h"

#include <assert.h>
#include <stdlib.h>

#define CHUNK_SIZE (256u * 1024)
#define LINK_MAX 174
#define LEVEL_MAX 5 /* 174^4 chunks and more than 2^47 bytes */
#define DIGEST_SIZE SYNC_CRYPTO_HASH_SIZE
#define VARINT_MAX 10

enum { CODEC_RAW = 0x55, CODEC_DAG_PB = 0x70, HASH_SHA2_256 = 0x12 };

/* The binary forms:
 *
 *   v0   12 20 DIGEST              (always dag-pb)
 *   v1   01 CODEC 12 20 DIGEST */
#define V0_SIZE (2 + DIGEST_SIZE)
#define V1_SIZE (4 + DIGEST_SIZE)
#define V0_TEXT_SIZE 46 /* base58, begins with Qm */
#define V1_TEXT_SIZE 59 /* base32 without padding, and the letter b before it */

typedef struct cid_parts {
    int version;
    int codec;
    uint8_t digest[DIGEST_SIZE];
} cid_parts;

/* ---- text ---- */

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base58[] =
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static size_t encode_v1(const cid_parts *parts, uint8_t out[V1_SIZE])
{
    const uint8_t head[4] = {1, (uint8_t)parts->codec, HASH_SHA2_256, DIGEST_SIZE};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, parts->digest, DIGEST_SIZE);
    return V1_SIZE;
}

static void write_base32(const uint8_t bytes[V1_SIZE], char *text)
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < V1_SIZE; i++) {
        bits = bits << 8 | bytes[i];
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            *text++ = base32[bits >> bit_count & 31];
        }
    }
    if (bit_count > 0) {
        *text++ = base32[bits << (5 - bit_count) & 31];
    }
    *text = '\0';
}

static bool read_base32(const char *text, uint8_t bytes[V1_SIZE])
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;
    for (; *text != '\0'; text++) {
        const char *letter = strchr(base32, *text);
        if (letter == NULL) {
            return false;
        }
        bits = bits << 5 | (uint32_t)(letter - base32);
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            if (size == V1_SIZE) {
                return false;
            }
            bytes[size++] = (uint8_t)(bits >> bit_count);
        }
    }
    /* What is left encodes nothing: zero, or the file would have two names. */
    return size == V1_SIZE && (bits & ((1u << bit_count) - 1)) == 0;
}

static bool read_base58(const char *text, uint8_t bytes[V0_SIZE])
{
    memset(bytes, 0, V0_SIZE);
    for (; *text != '\0'; text++) {
        const char *letter = strchr(base58, *text);
        if (letter == NULL) {
            return false;
        }
        uint32_t carry = (uint32_t)(letter - base58);
        for (size_t i = V0_SIZE; i-- > 0;) {
            carry += (uint32_t)bytes[i] * 58;
            bytes[i] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry > 0) {
            return false;
        }
    }
    return true;
}

static bool parse(const char *text, cid_parts *parts)
{
    size_t size = strnlen(text, CONTENT_CID_SIZE);
    uint8_t bytes[V1_SIZE];
    if (size == V0_TEXT_SIZE) {
        if (!read_base58(text, bytes) || bytes[0] != HASH_SHA2_256 ||
            bytes[1] != DIGEST_SIZE) {
            return false;
        }
        parts->version = 0;
        parts->codec = CODEC_DAG_PB;
        memcpy(parts->digest, bytes + 2, DIGEST_SIZE);
        return true;
    }
    if (size != V1_TEXT_SIZE || text[0] != 'b' || !read_base32(text + 1, bytes) ||
        bytes[0] != 1 || (bytes[1] != CODEC_RAW && bytes[1] != CODEC_DAG_PB) ||
        bytes[2] != HASH_SHA2_256 || bytes[3] != DIGEST_SIZE) {
        return false;
    }
    parts->version = 1;
    parts->codec = bytes[1];
    memcpy(parts->digest, bytes + 4, DIGEST_SIZE);
    return true;
}

/* ---- blocks ---- */

static uint8_t *put_varint(uint8_t *out, uint64_t number)
{
    while (number > 0x7f) {
        *out++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

static size_t varint_size(uint64_t number)
{
    uint8_t scratch[VARINT_MAX];
    return (size_t)(put_varint(scratch, number) - scratch);
}

/* A block, as the node above it sees it. */
typedef struct cid_link {
    uint8_t digest[DIGEST_SIZE];
    bool raw;
    uint64_t file_size; /* bytes of the file below it */
    uint64_t dag_size;  /* bytes of all blocks below it, with itself */
} cid_link;

typedef struct cid_level {
    cid_link links[LINK_MAX];
    size_t count;
} cid_level;

typedef struct cid_tree {
    int version; /* of the links */
    cid_level levels[LEVEL_MAX];
} cid_tree;

static void hash_block(const uint8_t *block, size_t size, cid_link *link)
{
    crdt_span span = {block, size};
    sync_crypto_sha256(span, link->digest);
}

/* A chunk as a dag-pb leaf: Data { Type: File, Data: chunk, filesize }. `block` has room for
 * CHUNK_SIZE and 32 bytes more. */
static void hash_leaf(crdt_span chunk, uint8_t *block, cid_link *link)
{
    size_t data_size = 2 + 1 + varint_size(chunk.size);
    if (chunk.size > 0) {
        data_size += 1 + varint_size(chunk.size) + chunk.size;
    }
    uint8_t *end = block;
    *end++ = 0x0a; /* PBNode.Data */
    end = put_varint(end, data_size);
    *end++ = 0x08; /* Data.Type: File */
    *end++ = 2;
    if (chunk.size > 0) {
        *end++ = 0x12; /* Data.Data */
        end = put_varint(end, chunk.size);
        memcpy(end, chunk.data, chunk.size);
        end += chunk.size;
    }
    *end++ = 0x18; /* Data.filesize */
    end = put_varint(end, chunk.size);
    hash_block(block, (size_t)(end - block), link);
    link->raw = false;
    link->file_size = chunk.size;
    link->dag_size = (uint64_t)(end - block);
}

static uint8_t *put_link(uint8_t *out, const cid_link *link, int version)
{
    cid_parts parts = {.codec = link->raw ? CODEC_RAW : CODEC_DAG_PB};
    memcpy(parts.digest, link->digest, DIGEST_SIZE);
    uint8_t bytes[V1_SIZE];
    encode_v1(&parts, bytes);
    /* A link of version 0 is the bare hash; raw blocks have no version 0. */
    size_t skip = version == 0 && !link->raw ? V1_SIZE - V0_SIZE : 0;
    size_t size = V1_SIZE - skip;
    *out++ = 0x12; /* PBNode.Links */
    out = put_varint(out, 2 + size + 2 + 1 + varint_size(link->dag_size));
    *out++ = 0x0a; /* Hash */
    out = put_varint(out, size);
    memcpy(out, bytes + skip, size);
    out += size;
    *out++ = 0x12; /* Name: empty, but there */
    *out++ = 0;
    *out++ = 0x18; /* Tsize */
    return put_varint(out, link->dag_size);
}

/* The node over all links of a level, which is empty afterwards. */
static void hash_node(cid_level *level, int version, cid_link *node)
{
    uint8_t block[LINK_MAX * (8 + V1_SIZE + 2 * VARINT_MAX) + 32];
    uint8_t data[LINK_MAX * (1 + VARINT_MAX) + 16];
    uint8_t *end = block;
    *node = (cid_link){.raw = false};
    for (size_t i = 0; i < level->count; i++) {
        end = put_link(end, &level->links[i], version);
        node->file_size += level->links[i].file_size;
        node->dag_size += level->links[i].dag_size;
    }
    uint8_t *data_end = data;
    *data_end++ = 0x08; /* Type: File */
    *data_end++ = 2;
    *data_end++ = 0x18; /* filesize */
    data_end = put_varint(data_end, node->file_size);
    for (size_t i = 0; i < level->count; i++) {
        *data_end++ = 0x20; /* blocksizes */
        data_end = put_varint(data_end, level->links[i].file_size);
    }
    size_t data_size = (size_t)(data_end - data);
    *end++ = 0x0a; /* PBNode.Data, after the links */
    end = put_varint(end, data_size);
    memcpy(end, data, data_size);
    end += data_size;
    hash_block(block, (size_t)(end - block), node);
    node->dag_size += (uint64_t)(end - block);
    level->count = 0;
}

/* Add a link to the level `first`. A level that is full becomes a node only when there is
 * one more: a single block is the root itself. */
static void add_link(cid_tree *tree, size_t first, const cid_link *added)
{
    cid_link link = *added;
    for (size_t i = first; i < LEVEL_MAX; i++) {
        cid_level *level = &tree->levels[i];
        if (level->count < LINK_MAX) {
            level->links[level->count++] = link;
            return;
        }
        cid_link node;
        hash_node(level, tree->version, &node);
        level->links[level->count++] = link;
        link = node;
    }
    assert(false); /* a file beyond all sizes */
}

static bool is_top(const cid_tree *tree, size_t i)
{
    for (i++; i < LEVEL_MAX; i++) {
        if (tree->levels[i].count > 0) {
            return false;
        }
    }
    return true;
}

/* What is left on each level becomes its last node, until one is alone at the top. */
static cid_link finish(cid_tree *tree)
{
    for (size_t i = 0;; i++) {
        cid_level *level = &tree->levels[i];
        if (level->count == 1 && is_top(tree, i)) {
            return level->links[0];
        }
        cid_link node;
        hash_node(level, tree->version, &node);
        add_link(tree, i + 1, &node);
    }
}

/* `leaf` NULL: raw leaves, else scratch for dag-pb ones. */
static cid_link hash_file(crdt_span content, int version, uint8_t *leaf)
{
    cid_tree tree;
    tree.version = version;
    for (size_t i = 0; i < LEVEL_MAX; i++) {
        tree.levels[i].count = 0;
    }
    size_t offset = 0;
    do {
        size_t left = content.size - offset;
        crdt_span chunk = {content.data, left < CHUNK_SIZE ? left : CHUNK_SIZE};
        if (offset > 0) {
            chunk.data += offset;
        }
        cid_link link;
        if (leaf != NULL) {
            hash_leaf(chunk, leaf, &link);
        } else {
            hash_block(chunk.data, chunk.size, &link);
            link.raw = true;
            link.file_size = chunk.size;
            link.dag_size = chunk.size;
        }
        add_link(&tree, 0, &link);
        offset += chunk.size;
    } while (offset < content.size);
    return finish(&tree);
}

/* ---- the interface ---- */

void content_cid(crdt_span content, char text[CONTENT_CID_SIZE])
{
    cid_link root = hash_file(content, 1, NULL);
    cid_parts parts = {.version = 1, .codec = root.raw ? CODEC_RAW : CODEC_DAG_PB};
    memcpy(parts.digest, root.digest, DIGEST_SIZE);
    uint8_t bytes[V1_SIZE];
    encode_v1(&parts, bytes);
    text[0] = 'b';
    write_base32(bytes, text + 1);
}

bool content_cid_valid(const char *text)
{
    cid_parts parts;
    return parse(text, &parts);
}

static bool is_root(const cid_link *root, const cid_parts *parts)
{
    return root->raw == (parts->codec == CODEC_RAW) &&
           memcmp(root->digest, parts->digest, DIGEST_SIZE) == 0;
}

bool content_cid_matches(const char *cid, crdt_span content)
{
    cid_parts parts;
    if (!parse(cid, &parts)) {
        return false;
    }
    if (parts.codec == CODEC_RAW) {
        cid_link block;
        hash_block(content.data, content.size, &block);
        block.raw = true;
        return is_root(&block, &parts);
    }
    /* What is usual first: raw leaves in version 1, dag-pb leaves in version 0. */
    for (int i = 0; i < 2; i++) {
        uint8_t *leaf = NULL;
        if ((parts.version == 0) == (i == 0)) {
            leaf = malloc(CHUNK_SIZE + 32);
            if (leaf == NULL) {
                return false;
            }
        }
        cid_link root = hash_file(content, parts.version, leaf);
        free(leaf);
        if (is_root(&root, &parts)) {
            return true;
        }
    }
    return false;
}
