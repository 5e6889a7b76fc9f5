#include "cli/access.h"

#include "cli/access_file.h"
#include "sync/crypto.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KERNEL_ID "kernel" /* too short for an id in a file */

static const char *const ROLE_NAMES[] = {"none", "view", "edit", "publish", "admin"};
#define ROLE_COUNT (sizeof ROLE_NAMES / sizeof ROLE_NAMES[0])

const char *access_role_name(access_role role)
{
    return (size_t)role < ROLE_COUNT ? ROLE_NAMES[role] : ROLE_NAMES[0];
}

bool access_role_parse(const char *text, access_role *role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(text, ROLE_NAMES[i]) == 0) {
            *role = (access_role)i;
            return true;
        }
    }
    return false;
}

/* ---- who is let in ---- */

struct cli_access {
    crdt_alloc alloc;
    char *path; /* NULL: there is no file */
    access_role loopback;
    bool has_master;
    uint8_t master[ACCESS_HASH_SIZE];
    access_file file;
    struct stat seen;      /* of the file as it was read; zero: it was not there */
    bool broken;           /* nobody gets in */
    uint64_t refreshed_ms; /* of the last look, for what expired since */
    char trouble[512];
};

static void hash_secret(const uint8_t *salt, size_t salt_size, crdt_span secret,
                        uint8_t hash[ACCESS_HASH_SIZE])
{
    sync_crypto_hash((crdt_span){salt, salt_size}, secret, hash);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_uid == b->st_uid && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Say what is wrong with the file, in the words of `diag`. */
static void say_trouble(cli_access *access, crdt_err err, const crdt_diag *diag)
{
    const char *text = diag->text[0] != '\0' ? diag->text : crdt_err_text(err);
    if (diag->line != 0) {
        snprintf(access->trouble, sizeof access->trouble,
                 "the access file %.200s: line %" PRIu32 ", column %" PRIu32 ": %s",
                 access->path, diag->line, diag->column, text);
    } else {
        snprintf(access->trouble, sizeof access->trouble, "the access file %.200s: %s",
                 access->path, text);
    }
}

/* What is read is what counts from now on; what cannot be read lets nobody in. */
static void load(cli_access *access)
{
    crdt_diag diag = {0};
    struct stat seen = {0};
    if (stat(access->path, &seen) != 0) {
        seen = (struct stat){0};
    }
    crdt_err err = access_file_read(&access->file, access->path, &seen, &diag);
    access->seen = seen;
    access->broken = err != CRDT_OK && err != CRDT_ENOTFOUND;
    access->trouble[0] = '\0';
    if (err != CRDT_OK) {
        access->file.entry_count = 0;
        say_trouble(access, err, &diag);
    }
}

crdt_err cli_access_open(cli_access **out, const cli_access_options *options)
{
    *out = NULL;
    cli_access *access = crdt_allocate(options->alloc, sizeof *access);
    if (access == NULL) {
        return CRDT_ENOMEM;
    }
    *access = (cli_access){.alloc = options->alloc, .loopback = options->loopback};
    access_file_init(&access->file, options->alloc);
    if (options->master != NULL && options->master[0] != '\0') {
        access->has_master = true;
        hash_secret(NULL, 0, crdt_span_of(options->master), access->master);
    }
    if (options->file != NULL) {
        size_t size = strlen(options->file) + 1;
        access->path = crdt_allocate(options->alloc, size);
        if (access->path == NULL) {
            cli_access_close(access);
            return CRDT_ENOMEM;
        }
        memcpy(access->path, options->file, size);
        load(access);
    }
    *out = access;
    return CRDT_OK;
}

void cli_access_close(cli_access *access)
{
    if (access == NULL) {
        return;
    }
    access_file_deinit(&access->file);
    if (access->path != NULL) {
        crdt_free(access->alloc, access->path, strlen(access->path) + 1);
    }
    crdt_free(access->alloc, access, sizeof *access);
}

static bool expired(const access_entry *entry, uint64_t now_ms)
{
    return entry->expires_ms != 0 && entry->expires_ms <= now_ms;
}

bool cli_access_refresh(cli_access *access, uint64_t now_ms)
{
    bool changed = false;
    for (size_t i = 0; i < access->file.entry_count; i++) {
        const access_entry *entry = &access->file.entries[i];
        if (expired(entry, now_ms) && !expired(entry, access->refreshed_ms)) {
            changed = true;
        }
    }
    access->refreshed_ms = now_ms;
    if (access->path == NULL) {
        return changed;
    }
    struct stat now = {0};
    if (stat(access->path, &now) != 0) {
        now = (struct stat){0};
    }
    if (same_file(&now, &access->seen)) {
        return changed;
    }
    load(access);
    return true;
}

static access_person nobody(const char **why, const char *text)
{
    if (why != NULL) {
        *why = text;
    }
    return (access_person){.role = ACCESS_NONE};
}

static access_person kernel(void)
{
    return (access_person){.role = ACCESS_ADMIN, .id = KERNEL_ID, .name = "kernel"};
}

static access_person from_loopback(const cli_access *access, bool loopback,
                                   const char **why)
{
    if (access->broken) {
        return nobody(why, "the access file cannot be read");
    }
    if (!loopback || access->loopback == ACCESS_NONE) {
        return nobody(why, "no token");
    }
    return (access_person){.role = access->loopback};
}

static const access_entry *find(const cli_access *access, const char *id)
{
    for (size_t i = 0; i < access->file.entry_count; i++) {
        if (strcmp(access->file.entries[i].person.id, id) == 0) {
            return &access->file.entries[i];
        }
    }
    return NULL;
}

static bool is_master(const cli_access *access, const char *token)
{
    uint8_t hash[ACCESS_HASH_SIZE];
    if (!access->has_master) {
        return false;
    }
    hash_secret(NULL, 0, crdt_span_of(token), hash);
    return sync_crypto_equal(hash, access->master, sizeof hash);
}

access_person cli_access_check(cli_access *access, const char *token, bool loopback,
                               uint64_t now_ms, const char **why)
{
    if (why != NULL) {
        *why = NULL;
    }
    if (token == NULL || token[0] == '\0') {
        return from_loopback(access, loopback, why);
    }
    if (is_master(access, token)) {
        return kernel();
    }
    if (access->broken) {
        return nobody(why, "the access file cannot be read");
    }
    char id[sizeof((access_person *)0)->id];
    uint8_t secret[ACCESS_SECRET_SIZE];
    if (!access_token_parse(token, id, secret)) {
        return nobody(why, "not a token");
    }
    static const access_entry UNKNOWN = {.person = {.role = ACCESS_NONE}};
    const access_entry *entry = find(access, id);
    const access_entry *tried = entry != NULL ? entry : &UNKNOWN; /* the same work */
    uint8_t hash[ACCESS_HASH_SIZE];
    hash_secret(tried->salt, ACCESS_SALT_SIZE, (crdt_span){secret, sizeof secret},
                hash);
    bool right = sync_crypto_equal(hash, tried->hash, sizeof hash);
    if (entry == NULL) {
        return nobody(why, "no such token");
    }
    if (!right) {
        return nobody(why, "wrong secret");
    }
    if (expired(entry, now_ms)) {
        return nobody(why, "expired");
    }
    return entry->person;
}

access_person cli_access_again(cli_access *access, const char *id, bool loopback,
                               uint64_t now_ms)
{
    if (id[0] == '\0') {
        return from_loopback(access, loopback, NULL);
    }
    if (access->has_master && strcmp(id, KERNEL_ID) == 0) {
        return kernel();
    }
    const access_entry *entry = find(access, id);
    if (entry == NULL || expired(entry, now_ms)) {
        return nobody(NULL, NULL);
    }
    return entry->person;
}

const char *cli_access_trouble(const cli_access *access)
{
    return access->trouble[0] != '\0' ? access->trouble : NULL;
}

/* ---- changing the file ---- */

typedef struct addition {
    access_entry entry;
    uint8_t secret[ACCESS_SECRET_SIZE];
} addition;

/* 80 random bits as 16 letters and digits. */
static void make_id(char id[32])
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[16];
    sync_crypto_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        id[i] = LETTERS[random[i] & 31];
    }
    id[sizeof random] = '\0';
}

static crdt_err add_entry(void *ctx, access_file *file, crdt_diag *diag)
{
    const addition *added = ctx;
    crdt_err err = access_file_append(file, &added->entry);
    return err == CRDT_ELIMIT ? crdt_diag_set(diag, err, 0, "it has %u people already",
                                              ACCESS_PEOPLE_MAX)
                              : err;
}

crdt_err cli_access_add(const char *file, const char *name, access_role role,
                        uint64_t expires_ms, char token[ACCESS_TOKEN_SIZE],
                        crdt_diag *diag)
{
    if (!access_name_valid(crdt_span_of(name))) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "a name has 1 to %d bytes of UTF-8, no control characters",
                             ACCESS_NAME_SIZE - 1);
    }
    if (role == ACCESS_NONE || (size_t)role >= ROLE_COUNT) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "a person needs a role");
    }
    addition added = {.entry = {.person = {.role = role},
                                .expires_ms = expires_ms - expires_ms % 1000}};
    make_id(added.entry.person.id);
    memcpy(added.entry.person.name, name, strlen(name) + 1);
    sync_crypto_random(added.entry.salt, sizeof added.entry.salt);
    sync_crypto_random(added.secret, sizeof added.secret);
    hash_secret(added.entry.salt, ACCESS_SALT_SIZE,
                (crdt_span){added.secret, sizeof added.secret}, added.entry.hash);
    crdt_err err = access_file_change(file, add_entry, &added, diag);
    if (err == CRDT_OK) {
        access_token_format(added.entry.person.id, added.secret, token);
    }
    return err;
}

typedef struct role_change {
    const char *who;
    access_role role;
} role_change;

/* By id, else by name; file->entry_count: none, with diag. */
static crdt_err find_who(const access_file *file, const char *who, size_t *index,
                         crdt_diag *diag)
{
    size_t named = 0;
    for (size_t i = 0; i < file->entry_count; i++) {
        if (strcmp(file->entries[i].person.id, who) == 0) {
            *index = i;
            return CRDT_OK;
        }
        if (strcmp(file->entries[i].person.name, who) == 0) {
            *index = i;
            named++;
        }
    }
    if (named > 1) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "%zu people are called so: say which by the id (`access "
                             "list`)",
                             named);
    }
    return named == 1
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "nobody has this id or name");
}

static crdt_err change_role(void *ctx, access_file *file, crdt_diag *diag)
{
    const role_change *change = ctx;
    size_t index = 0;
    crdt_err err = find_who(file, change->who, &index, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (change->role != ACCESS_NONE) {
        file->entries[index].person.role = change->role;
        return CRDT_OK;
    }
    size_t after = file->entry_count - index - 1;
    memmove(&file->entries[index], &file->entries[index + 1],
            after * sizeof file->entries[0]);
    file->entry_count--;
    return CRDT_OK;
}

crdt_err cli_access_set_role(const char *file, const char *who, access_role role,
                             crdt_diag *diag)
{
    role_change change = {.who = who, .role = role};
    return access_file_change(file, change_role, &change, diag);
}

crdt_err cli_access_list(const char *file,
                         void (*visit)(void *ctx, const access_person *person,
                                       uint64_t expires_ms),
                         void *ctx, crdt_diag *diag)
{
    access_file list;
    access_file_init(&list, crdt_alloc_default());
    crdt_err err = access_file_read(&list, file, NULL, diag);
    for (size_t i = 0; err == CRDT_OK && i < list.entry_count; i++) {
        visit(ctx, &list.entries[i].person, list.entries[i].expires_ms);
    }
    access_file_deinit(&list);
    return err;
}
