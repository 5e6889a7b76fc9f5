#include "cli/kernel/place.h"

#include "cli/files.h"
#include "cli/report.h"
#include "scene/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX 4096
/* Below the ports that the system gives to outgoing connections, which could take one while
 * its worker is down. */
#define PORT_FIRST 20000u
#define PORT_COUNT 12000u

/* ---- files ---- */

void kernel_place_path(const kernel_place *place, const char *name,
                       char path[KERNEL_PATH_SIZE])
{
    snprintf(path, KERNEL_PATH_SIZE, "%s/%s", place->dir, name);
}

bool kernel_place_has(const kernel_place *place, const char *name)
{
    char path[KERNEL_PATH_SIZE];
    struct stat status;
    kernel_place_path(place, name, path);
    return stat(path, &status) == 0;
}

static bool make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static kernel_mode read_mode(const scene_json_node *root, const char *key)
{
    const scene_json_node *node = scene_json_find(root, key);
    for (kernel_mode mode = KERNEL_EDIT; mode <= KERNEL_PLAY; mode++) {
        if (node != NULL && node->type == SCENE_JSON_STRING &&
            crdt_span_equal(scene_json_text(node),
                            crdt_span_of(kernel_mode_name(mode)))) {
            return mode;
        }
    }
    return KERNEL_STOP;
}

static uint16_t read_port(const scene_json_node *root, const char *key)
{
    const scene_json_node *node = scene_json_find(root, key);
    bool fits = node != NULL && node->type == SCENE_JSON_NUMBER &&
                node->as.number >= 1 && node->as.number < 65535;
    return fits ? (uint16_t)node->as.number : 0;
}

static void load(kernel_place *place)
{
    char path[KERNEL_PATH_SIZE];
    crdt_buf text;
    scene_json *json = NULL;
    crdt_buf_init(&text, crdt_alloc_default());
    kernel_place_path(place, "scene.json", path);
    if (cli_files_read(path, FILE_SIZE_MAX, &text, NULL) == CRDT_OK &&
        scene_json_open(&json, crdt_alloc_default(), crdt_buf_span(&text), NULL,
                        NULL) == CRDT_OK) {
        const scene_json_node *root = scene_json_root(json);
        place->mode = read_mode(root, "mode");
        place->before = read_mode(root, "before");
        place->http_port = read_port(root, "http");
        place->bus_port = read_port(root, "bus");
    }
    scene_json_close(json);
    crdt_buf_deinit(&text);
}

crdt_err kernel_place_open(kernel_place *place, const char *dir, const char *scene,
                           crdt_diag *diag)
{
    *place = (kernel_place){.mode = KERNEL_STOP};
    int size = snprintf(place->dir, sizeof place->dir, "%s/scenes", dir);
    bool made = size > 0 && (size_t)size < sizeof place->dir && make_dir(place->dir);
    if (made) {
        size = snprintf(place->dir, sizeof place->dir, "%s/scenes/%s", dir, scene);
    }
    if (size < 0 || (size_t)size >= sizeof place->dir) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the path is too long: %.100s", dir);
    }
    if (!made || !make_dir(place->dir)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot make %.120s", place->dir);
    }
    load(place);
    return CRDT_OK;
}

crdt_err kernel_place_save(const kernel_place *place, crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    cli_file file;
    kernel_place_path(place, "scene.json", path);
    crdt_err err = cli_files_create(&file, path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    cli_report report;
    cli_report_begin(&report, file.stream);
    cli_report_text(&report, "mode", kernel_mode_name(place->mode));
    cli_report_text(&report, "before", kernel_mode_name(place->before));
    cli_report_number(&report, "http", place->http_port);
    cli_report_number(&report, "bus", place->bus_port);
    cli_report_end(&report);
    return cli_files_close(&file, true, diag);
}

crdt_err kernel_place_lock(const char *dir, int *fd, crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    snprintf(path, sizeof path, "%s/lock", dir);
    if (!make_dir(dir)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot make %.120s", dir);
    }
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot write %.120s", path);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        close(*fd);
        *fd = -1;
        return crdt_diag_set(diag, CRDT_EBUSY, 0, "another kernel runs on %.120s", dir);
    }
    return CRDT_OK;
}

crdt_err kernel_place_list(const char *dir, void (*visit)(void *ctx, const char *scene),
                           void *ctx, crdt_diag *diag)
{
    char path[KERNEL_PATH_SIZE];
    snprintf(path, sizeof path, "%s/scenes", dir);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT
                   ? CRDT_OK
                   : crdt_diag_set(diag, CRDT_EIO, 0, "cannot read %.120s", path);
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        visit(ctx, entry->d_name);
    }
    closedir(folder);
    return CRDT_OK;
}

/* ---- ports ---- */

/* Could a worker listen there now? */
static bool port_free(const char *host, uint16_t port)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return true; /* the worker will say what is wrong with it */
    }
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free =
        fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (fd >= 0) {
        close(fd);
    }
    freeaddrinfo(found);
    return is_free;
}

bool kernel_place_choose_ports(kernel_place *place, const char *host)
{
    bool http = place->http_port != 0 && port_free(host, place->http_port);
    bool bus = place->bus_port != 0 && port_free(host, place->bus_port) &&
               port_free(host, place->bus_port + 1);
    if (http && bus) {
        return false;
    }
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) < 0) {
        seed = (uint32_t)getpid();
    }
    for (uint32_t i = 0; i < PORT_COUNT && !(http && bus); i += 3) {
        uint16_t port = (uint16_t)(PORT_FIRST + (seed + i) % (PORT_COUNT - 3));
        if (!port_free(host, port) || !port_free(host, port + 1) ||
            !port_free(host, port + 2)) {
            continue;
        }
        place->http_port = http ? place->http_port : port;
        place->bus_port = bus ? place->bus_port : port + 1;
        http = bus = true;
    }
    return true;
}

/* ---- the process that was there ---- */

#define BOOT_SIZE 64

/* Which run of the machine this is: numbers of processes mean nothing in another. */
static void read_boot(char boot[BOOT_SIZE])
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    boot[0] = '\0';
    if (cli_files_read("/proc/sys/kernel/random/boot_id", BOOT_SIZE - 1, &text, NULL) ==
        CRDT_OK) {
        snprintf(boot, BOOT_SIZE, "%.*s", (int)text.size, (const char *)text.data);
        boot[strcspn(boot, "\n")] = '\0';
    }
    crdt_buf_deinit(&text);
}

/* When it was started, as the system counts; 0: there is none. */
static uint64_t start_of(pid_t pid)
{
    char path[64];
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    uint64_t start = 0;
    if (cli_files_read(path, FILE_SIZE_MAX, &text, NULL) == CRDT_OK &&
        crdt_buf_append(&text, "", 1) == CRDT_OK) {
        const char *at = strrchr((const char *)text.data, ')'); /* after its name */
        bool dead = at != NULL && (at[2] == 'Z' || at[2] == 'X');
        for (int field = 2; at != NULL && field < 22; field++) {
            at = strchr(at + 1, ' ');
        }
        start = at != NULL && !dead ? strtoull(at, NULL, 10) : 0;
    }
    crdt_buf_deinit(&text);
    return start;
}

void kernel_place_set_process(const kernel_place *place, pid_t pid)
{
    char path[KERNEL_PATH_SIZE];
    cli_file file;
    kernel_place_path(place, "pid", path);
    if (pid == 0) {
        unlink(path);
    } else if (cli_files_create(&file, path, NULL) == CRDT_OK) {
        char boot[BOOT_SIZE];
        read_boot(boot);
        fprintf(file.stream, "%d %llu %s\n", (int)pid,
                (unsigned long long)start_of(pid), boot);
        cli_files_close(&file, true, NULL);
    }
}

pid_t kernel_place_find_process(const kernel_place *place)
{
    char path[KERNEL_PATH_SIZE];
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    kernel_place_path(place, "pid", path);
    pid_t pid = 0;
    if (cli_files_read(path, FILE_SIZE_MAX, &text, NULL) == CRDT_OK &&
        crdt_buf_append(&text, "", 1) == CRDT_OK) {
        char *rest = NULL;
        long number = strtol((const char *)text.data, &rest, 10);
        uint64_t start = strtoull(rest, &rest, 10);
        char boot[BOOT_SIZE];
        read_boot(boot);
        bool this_run = rest[0] == ' ' && strncmp(rest + 1, boot, strlen(boot)) == 0;
        if (this_run && number > 1 && start != 0 && start_of((pid_t)number) == start) {
            pid = (pid_t)number;
        }
    }
    crdt_buf_deinit(&text);
    return pid;
}
