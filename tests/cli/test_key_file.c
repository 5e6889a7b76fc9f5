/* Key files: what is one, who may read it, and that none is overwritten. */

#include "cli/key_file.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const uint8_t KEY[SYNC_CRYPTO_KEY_SIZE] = {
    0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8b, 0x30, 0xd3,
    0x8f, 0x41, 0x14, 0x93, 0x51, 0x55, 0x97, 0x61, 0x96, 0x9b, 0x71,
    0xd7, 0x9f, 0x82, 0x18, 0xa3, 0x92, 0x59, 0xa7, 0xa2, 0x9a};
#define HEX "00108310518720928b30d38f41149351559761969b71d79f8218a39259a7a29a"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopo"

static temp_dir folder;
static char path[sizeof folder.path + 16];

static void open_folder(void)
{
    temp_dir_open(&folder);
    snprintf(path, sizeof path, "%s/key", folder.path);
}

static void close_folder(void)
{
    temp_dir_close(&folder);
}

TestSuite(key_file, .init = open_folder, .fini = close_folder);

static crdt_err read_back(const char *text, mode_t mode, uint8_t *key, crdt_diag *diag)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
    return cli_key_file_read(path, key, diag);
}

/* Hexadecimal in both cases, base64 in both alphabets, with and without its end. */
Test(key_file, texts_that_are_keys)
{
    static const char *const texts[] = {
        HEX,
        HEX "\n",
        "  " HEX "\r\n\n",
        "00108310518720928B30D38F41149351559761969B71D79F8218A39259A7A29A",
        BASE64 "=\n",
        BASE64,
        "\t" BASE64 "= ",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {0};
        crdt_diag diag = {0};
        cr_assert_eq(read_back(texts[i], 0600, key, &diag), CRDT_OK, "%s: %s", texts[i],
                     diag.text);
        cr_assert_arr_eq(key, KEY, sizeof key, "%s", texts[i]);
    }
    uint8_t a[SYNC_CRYPTO_KEY_SIZE];
    uint8_t b[SYNC_CRYPTO_KEY_SIZE];
    cr_assert_eq(
        read_back("++++////++++////++++////++++////++++////++8", 0600, a, NULL),
        CRDT_OK);
    cr_assert_eq(
        read_back("----____----____----____----____----____--8", 0600, b, NULL),
        CRDT_OK);
    cr_assert_arr_eq(a, b, sizeof a);
}

Test(key_file, texts_that_are_none)
{
    static const char *const texts[] = {
        "",
        "\n",
        "secret",
        HEX "0",
        HEX "\n" HEX,
        "0010831051872092 8b30d38f41149351559761969b71d79f8218a39259a7a29",
        "g0108310518720928b30d38f41149351559761969b71d79f8218a39259a7a29a",
        BASE64 "==",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopp=",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop\xc3\xb6",
        "0000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t key[SYNC_CRYPTO_KEY_SIZE];
        crdt_diag diag = {0};
        cr_assert_eq(read_back(texts[i], 0600, key, &diag), CRDT_ECORRUPT, "%s",
                     texts[i]);
        cr_assert(diag.text[0] != '\0');
        cr_assert_null(strstr(diag.text, "ABCDEF"), "the key is not told");
    }
    /* A key, blanks as far as a reader looks, and then something else. */
    char long_text[400];
    snprintf(long_text, sizeof long_text, "%s%200s%s", HEX, "", "junk");
    uint8_t none[SYNC_CRYPTO_KEY_SIZE];
    cr_assert_eq(read_back(long_text, 0600, none, NULL), CRDT_ECORRUPT);
    char *large = calloc(1, 1u << 20);
    cr_assert_not_null(large);
    memset(large, 'a', (1u << 20) - 1);
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    cr_assert_eq(read_back(large, 0600, key, NULL), CRDT_ECORRUPT);
    free(large);
}

Test(key_file, others_have_no_rights)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0644, 0660, 0610, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {0};
        crdt_diag diag = {0};
        cr_assert_eq(read_back(HEX, modes[i], key, &diag), CRDT_EREFUSED, "%o",
                     (unsigned)modes[i]);
        cr_assert_not_null(strstr(diag.text, "chmod 600"));
        cr_assert_eq(key[1], 0, "nothing was read");
    }
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    cr_assert_eq(read_back(HEX, 0400, key, NULL), CRDT_OK);
}

Test(key_file, is_written_once)
{
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    struct stat about;
    crdt_diag diag = {0};
    cr_assert_eq(cli_key_file_read(path, key, &diag), CRDT_ENOTFOUND);
    cr_assert_eq(cli_key_file_write(path, KEY, &diag), CRDT_OK, "%s", diag.text);
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_eq(about.st_mode & 07777, 0600);
    cr_assert_eq(cli_key_file_read(path, key, NULL), CRDT_OK);
    cr_assert_arr_eq(key, KEY, sizeof key);
    uint8_t other[SYNC_CRYPTO_KEY_SIZE] = {1};
    cr_assert_eq(cli_key_file_write(path, other, &diag), CRDT_EEXIST);
    cr_assert_eq(cli_key_file_read(path, key, NULL), CRDT_OK);
    cr_assert_arr_eq(key, KEY, sizeof key);
    cr_assert_eq(cli_key_file_write("/nowhere/at/all", KEY, &diag), CRDT_EIO);
    cr_assert_eq(chmod(folder.path, 0700), 0);
    cr_assert_eq(cli_key_file_read(folder.path, key, &diag), CRDT_EIO, "a directory");
}

/* It is the same for the same key, another for another one, and no part of it. */
Test(key_file, fingerprint)
{
    char a[CLI_KEY_PRINT_SIZE];
    char b[CLI_KEY_PRINT_SIZE];
    uint8_t other[SYNC_CRYPTO_KEY_SIZE];
    memcpy(other, KEY, sizeof other);
    other[31] ^= 1;
    cli_key_file_print(KEY, a);
    cli_key_file_print(KEY, b);
    cr_assert_str_eq(a, b);
    cr_assert_eq(strlen(a), 16);
    cr_assert_null(strstr(HEX, a));
    cli_key_file_print(other, b);
    cr_assert_str_neq(a, b);
}
