#include "cli/access_file.h"

#include "cli/files.h"
#include "cli/report.h"
#include "crdt/value.h"
#include "scene/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define TOKEN_PREFIX "ss1_"
#define SECRET_TEXT_SIZE 43 /* 32 bytes as base64url */
#define DAY_MS UINT64_C(86400000)

void access_file_init(access_file *file, crdt_alloc alloc)
{
    *file = (access_file){.alloc = alloc};
}

void access_file_deinit(access_file *file)
{
    crdt_free(file->alloc, file->entries,
              file->entry_capacity * sizeof file->entries[0]);
    access_file_init(file, file->alloc);
}

crdt_err access_file_append(access_file *file, const access_entry *entry)
{
    if (file->entry_count == ACCESS_PEOPLE_MAX) {
        return CRDT_ELIMIT;
    }
    if (file->entry_count == file->entry_capacity) {
        size_t capacity = file->entry_capacity == 0 ? 8 : file->entry_capacity * 2;
        access_entry *entries =
            crdt_resize_array(file->alloc, file->entries, file->entry_capacity,
                              capacity, sizeof *entries);
        if (entries == NULL) {
            return CRDT_ENOMEM;
        }
        file->entries = entries;
        file->entry_capacity = capacity;
    }
    file->entries[file->entry_count++] = *entry;
    return CRDT_OK;
}

/* ---- texts ---- */

bool access_name_valid(crdt_span name)
{
    if (name.size == 0 || name.size >= ACCESS_NAME_SIZE ||
        !crdt_utf8_valid(name, NULL)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool id_valid(crdt_span id)
{
    if (id.size < 8 || id.size >= sizeof((access_person *)0)->id) {
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        bool letter = id.data[i] >= 'a' && id.data[i] <= 'z';
        bool digit = id.data[i] >= '0' && id.data[i] <= '9';
        if (!letter && !digit) {
            return false;
        }
    }
    return true;
}

static const char BASE64URL[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool access_token_parse(const char *token, char id[32],
                        uint8_t secret[ACCESS_SECRET_SIZE])
{
    size_t prefix = sizeof TOKEN_PREFIX - 1;
    if (strncmp(token, TOKEN_PREFIX, prefix) != 0) {
        return false;
    }
    token += prefix;
    size_t id_size = strcspn(token, "_");
    crdt_span id_text = {(const uint8_t *)token, id_size};
    if (!id_valid(id_text) || token[id_size] != '_' ||
        strnlen(token + id_size + 1, SECRET_TEXT_SIZE + 1) != SECRET_TEXT_SIZE) {
        return false;
    }
    memcpy(id, token, id_size);
    id[id_size] = '\0';
    uint32_t bits = 0;
    size_t size = 0;
    for (size_t i = 0; i < SECRET_TEXT_SIZE; i++) {
        const char *found = strchr(BASE64URL, token[id_size + 1 + i]);
        if (found == NULL) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)(found - BASE64URL);
        size_t have = (i + 1) * 6 - size * 8;
        if (have >= 8) {
            secret[size++] = (uint8_t)(bits >> (have - 8));
        }
    }
    return (bits & 3) == 0; /* one token, one spelling */
}

void access_token_format(const char *id, const uint8_t secret[ACCESS_SECRET_SIZE],
                         char token[ACCESS_TOKEN_SIZE])
{
    int size = snprintf(token, ACCESS_TOKEN_SIZE, TOKEN_PREFIX "%s_", id);
    char *at = token + size;
    for (size_t i = 0; i < SECRET_TEXT_SIZE; i++) {
        size_t bit = i * 6;
        uint32_t two = (uint32_t)secret[bit / 8] << 8;
        if (bit / 8 + 1 < ACCESS_SECRET_SIZE) {
            two |= secret[bit / 8 + 1];
        }
        *at++ = BASE64URL[(two >> (10 - bit % 8)) & 63];
    }
    *at = '\0';
}

static bool digits(const char **text, size_t count, uint32_t *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if ((*text)[i] < '0' || (*text)[i] > '9') {
            return false;
        }
        *number = *number * 10 + (uint32_t)((*text)[i] - '0');
    }
    *text += count;
    return true;
}

static bool skip(const char **text, char letter)
{
    if (**text != letter) {
        return false;
    }
    (*text)++;
    return true;
}

static bool leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool access_time_parse(const char *text, uint64_t *ms)
{
    static const uint8_t MONTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year, month, day, hour = 0, minute = 0, second = 0;
    if (!digits(&text, 4, &year) || !skip(&text, '-') || !digits(&text, 2, &month) ||
        !skip(&text, '-') || !digits(&text, 2, &day)) {
        return false;
    }
    if (*text != '\0' &&
        (!skip(&text, 'T') || !digits(&text, 2, &hour) || !skip(&text, ':') ||
         !digits(&text, 2, &minute) || !skip(&text, ':') ||
         !digits(&text, 2, &second) || !skip(&text, 'Z') || *text != '\0')) {
        return false;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
        second > 59) {
        return false;
    }
    uint32_t month_days = MONTHS[month - 1] + (month == 2 && leap(year) ? 1u : 0u);
    if (day > month_days) {
        return false;
    }
    uint64_t days = day - 1;
    for (uint32_t y = 1970; y < year; y++) {
        days += leap(y) ? 366 : 365;
    }
    for (uint32_t m = 1; m < month; m++) {
        days += MONTHS[m - 1] + (m == 2 && leap(year) ? 1u : 0u);
    }
    *ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * UINT64_C(1000);
    return true;
}

/* ---- reading ---- */

static bool hex_read(crdt_span text, uint8_t *out, size_t size)
{
    static const char DIGITS[] = "0123456789abcdef";
    if (text.size != size * 2) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *found = text.data[i] != '\0' ? strchr(DIGITS, text.data[i]) : NULL;
        if (found == NULL) {
            return false;
        }
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (uint8_t)(found - DIGITS));
    }
    return true;
}

static bool expires_read(crdt_span text, uint64_t *ms)
{
    char terminated[CLI_TIME_TEXT_SIZE];
    if (text.size >= sizeof terminated || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(terminated, text.data, text.size);
    terminated[text.size] = '\0';
    return access_time_parse(terminated, ms);
}

static void text_read(crdt_span text, char *out)
{
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

enum { ID = 1, NAME = 2, ROLE = 4, SALT = 8, HASH = 16, ALL = 31, EXPIRES = 32 };

/* Which member it is, taken into `entry`; 0: its value is wrong; -1: there is none such. */
static int member_read(crdt_span key, crdt_span text, access_entry *entry)
{
    if (crdt_span_equal(key, crdt_span_of("id"))) {
        if (!id_valid(text)) {
            return 0;
        }
        text_read(text, entry->person.id);
        return ID;
    }
    if (crdt_span_equal(key, crdt_span_of("name"))) {
        if (!access_name_valid(text)) {
            return 0;
        }
        text_read(text, entry->person.name);
        return NAME;
    }
    if (crdt_span_equal(key, crdt_span_of("role"))) {
        char role[16] = "";
        if (text.size < sizeof role) {
            text_read(text, role);
        }
        bool known = access_role_parse(role, &entry->person.role) &&
                     strlen(role) == text.size && entry->person.role != ACCESS_NONE;
        return known ? ROLE : 0;
    }
    if (crdt_span_equal(key, crdt_span_of("salt"))) {
        return hex_read(text, entry->salt, ACCESS_SALT_SIZE) ? SALT : 0;
    }
    if (crdt_span_equal(key, crdt_span_of("hash"))) {
        return hex_read(text, entry->hash, ACCESS_HASH_SIZE) ? HASH : 0;
    }
    if (crdt_span_equal(key, crdt_span_of("expires"))) {
        return expires_read(text, &entry->expires_ms) ? EXPIRES : 0;
    }
    return -1;
}

static crdt_err entry_read(access_file *file, const scene_json *json,
                           const scene_json_node *node, crdt_diag *diag)
{
    if (node->type != SCENE_JSON_OBJECT) {
        return scene_json_refuse(json, node, diag, CRDT_ECORRUPT,
                                 "a person is an object");
    }
    access_entry entry = {0};
    int have = 0;
    const scene_json_node *key = node + 1;
    for (uint32_t i = 0; i < node->count; i++) {
        const scene_json_node *value = scene_json_next(key);
        crdt_span name = scene_json_text(key);
        int member = value->type != SCENE_JSON_STRING
                         ? 0
                         : member_read(name, scene_json_text(value), &entry);
        if (member <= 0) {
            return scene_json_refuse(
                json, member < 0 ? key : value, diag, CRDT_ECORRUPT,
                member < 0 ? "a person has no member `%.*s`" : "not a valid `%.*s`",
                name.size < 40 ? (int)name.size : 40, (const char *)name.data);
        }
        have |= member;
        key = scene_json_next(value);
    }
    if ((have & ALL) != ALL) {
        return scene_json_refuse(json, node, diag, CRDT_ECORRUPT,
                                 "a person has id, name, role, salt and hash");
    }
    for (size_t i = 0; i < file->entry_count; i++) {
        if (strcmp(file->entries[i].person.id, entry.person.id) == 0) {
            return scene_json_refuse(json, node, diag, CRDT_ECORRUPT,
                                     "two people have the id %s", entry.person.id);
        }
    }
    crdt_err err = access_file_append(file, &entry);
    return err == CRDT_OK ? CRDT_OK
                          : scene_json_refuse(json, node, diag, err,
                                              "more than %u people", ACCESS_PEOPLE_MAX);
}

static crdt_err root_read(access_file *file, const scene_json *json, crdt_diag *diag)
{
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *version = scene_json_find(root, "version");
    const scene_json_node *people = scene_json_find(root, "people");
    if (version == NULL || version->type != SCENE_JSON_NUMBER ||
        version->as.number != 1) {
        return scene_json_refuse(json, version != NULL ? version : root, diag,
                                 CRDT_ECORRUPT, "an access file has \"version\":1");
    }
    if (people == NULL || people->type != SCENE_JSON_ARRAY || root->count != 2) {
        return scene_json_refuse(json, people != NULL ? people : root, diag,
                                 CRDT_ECORRUPT,
                                 "an access file has version and a list of people, "
                                 "nothing else");
    }
    crdt_err err = CRDT_OK;
    const scene_json_node *person = people + 1;
    for (uint32_t i = 0; i < people->count && err == CRDT_OK; i++) {
        err = entry_read(file, json, person, diag);
        person = scene_json_next(person);
    }
    return err;
}

crdt_err access_file_parse(access_file *file, crdt_span text, crdt_diag *diag)
{
    file->entry_count = 0;
    scene_json_limits limits = {.size_max = ACCESS_FILE_SIZE_MAX, .depth_max = 4};
    scene_json *json;
    crdt_err err = scene_json_open(&json, file->alloc, text, &limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    err = root_read(file, json, diag);
    scene_json_close(json);
    if (err != CRDT_OK) {
        file->entry_count = 0;
    }
    return err;
}

static crdt_err say_errno(crdt_diag *diag)
{
    const char *text = strerrordesc_np(errno);
    return crdt_diag_set(diag, errno == ENOENT ? CRDT_ENOTFOUND : CRDT_EIO, 0, "%s",
                         text != NULL ? text : "unknown error");
}

static crdt_err check_owner(const struct stat *status, crdt_diag *diag)
{
    if (!S_ISREG(status->st_mode)) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0, "it is no plain file");
    }
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                             "it belongs to another user, who could let anybody in");
    }
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                             "others than its owner may write it (chmod 600)");
    }
    return CRDT_OK;
}

static crdt_err read_all(int fd, crdt_buf *text, crdt_diag *diag)
{
    for (;;) {
        if (text->size > ACCESS_FILE_SIZE_MAX) {
            return crdt_diag_set(diag, CRDT_ELIMIT, 0, "it is larger than %u bytes",
                                 ACCESS_FILE_SIZE_MAX);
        }
        if (crdt_buf_reserve(text, 4096) != CRDT_OK) {
            return crdt_diag_set(diag, CRDT_ENOMEM, 0, "out of memory");
        }
        ssize_t got = read(fd, text->data + text->size, 4096);
        if (got == 0) {
            return CRDT_OK;
        }
        if (got < 0 && errno != EINTR) {
            return say_errno(diag);
        }
        text->size += got > 0 ? (size_t)got : 0;
    }
}

crdt_err access_file_read(access_file *file, const char *path, struct stat *status,
                          crdt_diag *diag)
{
    file->entry_count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block */
    if (fd < 0) {
        return say_errno(diag);
    }
    struct stat own;
    status = status != NULL ? status : &own;
    crdt_buf text;
    crdt_buf_init(&text, file->alloc);
    crdt_err err = fstat(fd, status) == 0 ? CRDT_OK : say_errno(diag);
    if (err == CRDT_OK) {
        err = check_owner(status, diag);
    }
    if (err == CRDT_OK) {
        err = read_all(fd, &text, diag);
    }
    if (err == CRDT_OK) {
        err = access_file_parse(file, crdt_buf_span(&text), diag);
    }
    close(fd);
    crdt_buf_deinit(&text);
    return err;
}

/* ---- writing ---- */

static crdt_err append_text(crdt_buf *out, const char *text)
{
    return crdt_buf_append(out, text, strlen(text));
}

static crdt_err append_hex(crdt_buf *out, const uint8_t *bytes, size_t size)
{
    static const char DIGITS[] = "0123456789abcdef";
    crdt_err err = append_text(out, "\"");
    for (size_t i = 0; i < size && err == CRDT_OK; i++) {
        char two[2] = {DIGITS[bytes[i] >> 4], DIGITS[bytes[i] & 15]};
        err = crdt_buf_append(out, two, 2);
    }
    return err == CRDT_OK ? append_text(out, "\"") : err;
}

static crdt_err append_entry(crdt_buf *out, const access_entry *entry)
{
    crdt_err err = append_text(out, "{\"id\":\"");
    err = err == CRDT_OK ? append_text(out, entry->person.id) : err;
    err = err == CRDT_OK ? append_text(out, "\",\"name\":") : err;
    err = err == CRDT_OK
              ? scene_json_write_string(crdt_span_of(entry->person.name), out)
              : err;
    err = err == CRDT_OK ? append_text(out, ",\"role\":\"") : err;
    err = err == CRDT_OK ? append_text(out, access_role_name(entry->person.role)) : err;
    err = err == CRDT_OK ? append_text(out, "\",\"salt\":") : err;
    err = err == CRDT_OK ? append_hex(out, entry->salt, ACCESS_SALT_SIZE) : err;
    err = err == CRDT_OK ? append_text(out, ",\"hash\":") : err;
    err = err == CRDT_OK ? append_hex(out, entry->hash, ACCESS_HASH_SIZE) : err;
    if (err == CRDT_OK && entry->expires_ms != 0) {
        char time[CLI_TIME_TEXT_SIZE];
        cli_report_time(entry->expires_ms, time);
        err = append_text(out, ",\"expires\":\"");
        err = err == CRDT_OK ? append_text(out, time) : err;
        err = err == CRDT_OK ? append_text(out, "\"") : err;
    }
    return err == CRDT_OK ? append_text(out, "}") : err;
}

crdt_err access_file_format(const access_file *file, crdt_buf *out)
{
    crdt_err err = append_text(out, "{\"version\":1,\n \"people\":[");
    for (size_t i = 0; i < file->entry_count && err == CRDT_OK; i++) {
        err = append_text(out, i == 0 ? "\n  " : ",\n  ");
        err = err == CRDT_OK ? append_entry(out, &file->entries[i]) : err;
    }
    return err == CRDT_OK ? append_text(out, "]}\n") : err;
}

/* Its folder, locked for who changes the file: it is replaced, so it cannot be. */
static int lock_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static crdt_err replace(const char *path, int folder, crdt_span text, crdt_diag *diag)
{
    cli_file out;
    crdt_err err = cli_files_create(&out, path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    bool good = fchmod(fileno(out.stream), 0600) == 0 &&
                fwrite(text.data, 1, text.size, out.stream) == text.size;
    err = cli_files_close(&out, good, diag);
    if (err == CRDT_OK && !good) {
        err = say_errno(diag);
    }
    if (err == CRDT_OK && fsync(folder) != 0) {
        err = say_errno(diag);
    }
    return err;
}

crdt_err access_file_change(const char *path,
                            crdt_err (*change)(void *ctx, access_file *file,
                                               crdt_diag *diag),
                            void *ctx, crdt_diag *diag)
{
    int folder = lock_folder(path);
    if (folder < 0) {
        return say_errno(diag);
    }
    crdt_alloc alloc = crdt_alloc_default();
    access_file file;
    crdt_buf text;
    access_file_init(&file, alloc);
    crdt_buf_init(&text, alloc);
    crdt_err err = access_file_read(&file, path, NULL, diag);
    if (err == CRDT_ENOTFOUND) {
        err = CRDT_OK; /* a new one */
    }
    if (err == CRDT_OK) {
        err = change(ctx, &file, diag);
    }
    if (err == CRDT_OK) {
        err = access_file_format(&file, &text);
    }
    if (err == CRDT_OK) {
        err = replace(path, folder, crdt_buf_span(&text), diag);
    }
    crdt_buf_deinit(&text);
    access_file_deinit(&file);
    close(folder);
    return err;
}
