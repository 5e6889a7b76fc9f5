#include "cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 256u

/* ---- text to bytes ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_hex(const uint8_t *text, uint8_t key[SYNC_CRYPTO_KEY_SIZE])
{
    for (size_t i = 0; i < SYNC_CRYPTO_KEY_SIZE; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Both alphabets: `+/` and `-_`. */
static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* 43 digits: 42 hold 252 bits, of the last one's six the upper four belong to the key. */
static bool parse_base64(const uint8_t *text, uint8_t key[SYNC_CRYPTO_KEY_SIZE])
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t at = 0;
    for (size_t i = 0; i < 43; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8 && at < SYNC_CRYPTO_KEY_SIZE) {
            count -= 8;
            key[at++] = (uint8_t)(bits >> count);
        }
    }
    return at == SYNC_CRYPTO_KEY_SIZE && (bits & 3) == 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool cli_key_file_parse(crdt_span text, uint8_t key[SYNC_CRYPTO_KEY_SIZE])
{
    const uint8_t *at = text.data;
    size_t size = text.size;
    while (size > 0 && is_blank(at[size - 1])) {
        size--;
    }
    while (size > 0 && is_blank(*at)) {
        at++;
        size--;
    }
    if (text.size >= TEXT_MAX) {
        return false;
    }
    if (size == 64) {
        return parse_hex(at, key);
    }
    return (size == 43 || (size == 44 && at[43] == '=')) && parse_base64(at, key);
}

static bool is_zero(const uint8_t key[SYNC_CRYPTO_KEY_SIZE])
{
    static const uint8_t zero[SYNC_CRYPTO_KEY_SIZE];
    return sync_crypto_equal(key, zero, sizeof zero);
}

/* ---- files ---- */

static crdt_err check_rights(const char *path, int fd, crdt_diag *diag)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.80s: %s", path,
                             strerrordesc_np(errno));
    }
    if (S_ISDIR(stat.st_mode)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.80s is a directory", path);
    }
    if ((stat.st_mode & 077) != 0) {
        return crdt_diag_set(
            diag, CRDT_EREFUSED, 0,
            "others than its owner have rights on %.60s (mode %04o): "
            "chmod 600 it, and make a new key if they may have read it",
            path, (unsigned)(stat.st_mode & 07777));
    }
    return CRDT_OK;
}

static crdt_err read_text(const char *path, int fd, char text[TEXT_MAX], size_t *size,
                          crdt_diag *diag)
{
    while (*size < TEXT_MAX) {
        ssize_t got = read(fd, text + *size, TEXT_MAX - *size);
        if (got == 0) {
            return CRDT_OK;
        }
        if (got < 0 && errno != EINTR) {
            return crdt_diag_set(diag, CRDT_EIO, 0, "%.80s: %s", path,
                                 strerrordesc_np(errno));
        }
        *size += got > 0 ? (size_t)got : 0;
    }
    return CRDT_OK; /* far too long for a key: it does not parse */
}

crdt_err cli_key_file_read(const char *path, uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                           crdt_diag *diag)
{
    char text[TEXT_MAX];
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return crdt_diag_set(diag, errno == ENOENT ? CRDT_ENOTFOUND : CRDT_EIO, 0,
                             "%.80s: %s", path, strerrordesc_np(errno));
    }
    crdt_err err = check_rights(path, fd, diag);
    if (err == CRDT_OK) {
        err = read_text(path, fd, text, &size, diag);
    }
    close(fd);
    crdt_span span = {.data = (const uint8_t *)text, .size = size};
    if (err == CRDT_OK && !cli_key_file_parse(span, key)) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                            "%.80s holds no key: 64 hexadecimal digits, or 32 bytes in "
                            "base64; `scenesync key` makes one",
                            path);
    }
    if (err == CRDT_OK && is_zero(key)) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0, "%.80s: a key of zeros is none",
                            path);
    }
    sync_crypto_wipe(text, sizeof text);
    return err;
}

/* The file, and its name in its directory. */
static bool flush_to_disk(const char *path, int fd)
{
    char directory[4096];
    if (fsync(fd) != 0 || strlen(path) >= sizeof directory) {
        return false;
    }
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL) {
        snprintf(directory, sizeof directory, ".");
    } else {
        slash[slash == directory] = '\0';
    }
    int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = dir >= 0 && fsync(dir) == 0;
    if (dir >= 0) {
        close(dir);
    }
    return done;
}

crdt_err cli_key_file_write(const char *path, const uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                            crdt_diag *diag)
{
    char text[2 * SYNC_CRYPTO_KEY_SIZE + 2];
    for (size_t i = 0; i < SYNC_CRYPTO_KEY_SIZE; i++) {
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    }
    size_t size = 2 * SYNC_CRYPTO_KEY_SIZE;
    text[size++] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return crdt_diag_set(diag, errno == EEXIST ? CRDT_EEXIST : CRDT_EIO, 0,
                             "%.80s: %s", path, strerrordesc_np(errno));
    }
    bool done = fchmod(fd, 0600) == 0 && write(fd, text, size) == (ssize_t)size &&
                flush_to_disk(path, fd);
    int reason = errno;
    done = close(fd) == 0 && done;
    sync_crypto_wipe(text, sizeof text);
    if (!done) {
        unlink(path); /* ours: it was not there before */
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.80s: %s", path,
                             strerrordesc_np(reason));
    }
    return CRDT_OK;
}

void cli_key_file_print(const uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                        char print[CLI_KEY_PRINT_SIZE])
{
    uint8_t hash[SYNC_CRYPTO_HASH_SIZE];
    sync_crypto_hash((crdt_span){.data = key, .size = SYNC_CRYPTO_KEY_SIZE},
                     crdt_span_of("scenesync 1 fingerprint"), hash);
    for (size_t i = 0; i < (CLI_KEY_PRINT_SIZE - 1) / 2; i++) {
        snprintf(print + 2 * i, 3, "%02x", hash[i]);
    }
}
