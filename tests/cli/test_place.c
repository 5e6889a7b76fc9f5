/* The folder of a scene: what is remembered, ports, and the process that was there. */

#include "cli/kernel/place.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static temp_dir folder;
#define dir folder.path
static kernel_place place;

static void begin(void)
{
    temp_dir_open(&folder);
    cr_assert_eq(kernel_place_open(&place, dir, "3,-4", NULL), CRDT_OK);
}

static void end(void)
{
    temp_dir_close(&folder);
}

TestSuite(place, .init = begin, .fini = end);

static kernel_place again(void)
{
    kernel_place other;
    cr_assert_eq(kernel_place_open(&other, dir, "3,-4", NULL), CRDT_OK);
    return other;
}

static void put(const char *name, const char *text)
{
    char path[KERNEL_PATH_SIZE];
    kernel_place_path(&place, name, path);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

Test(place, what_is_remembered)
{
    cr_assert_eq(place.mode, KERNEL_STOP);
    cr_assert_eq(place.http_port, 0);
    place.mode = KERNEL_PLAY;
    place.before = KERNEL_EDIT;
    place.http_port = 20001;
    place.bus_port = 20002;
    cr_assert_eq(kernel_place_save(&place, NULL), CRDT_OK);
    kernel_place other = again();
    cr_assert_eq(other.mode, KERNEL_PLAY);
    cr_assert_eq(other.before, KERNEL_EDIT);
    cr_assert_eq(other.http_port, 20001);
    cr_assert_eq(other.bus_port, 20002);
}

Test(place, what_cannot_be_read_is_forgotten)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "7",
                                        "{\"mode\":7,\"http\":\"x\"}",
                                        "{\"http\":0,\"bus\":65535}",
                                        "{\"http\":-1,\"bus\":1e9}",
                                        "{\"mode\":\"dance\",\"before\":null}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("scene.json", texts[i]);
        kernel_place other = again();
        cr_expect_eq(other.mode, KERNEL_STOP, "%s", texts[i]);
        cr_expect_eq(other.http_port, 0, "%s", texts[i]);
        cr_expect_eq(other.bus_port, 0, "%s", texts[i]);
    }
}

Test(place, ports_stay_while_they_are_free)
{
    cr_assert(kernel_place_choose_ports(&place, "127.0.0.1"));
    uint16_t http = place.http_port;
    uint16_t bus = place.bus_port;
    cr_assert(http != 0 && bus != 0 && http != bus && http != bus + 1);
    cr_assert_not(kernel_place_choose_ports(&place, "127.0.0.1"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(bus + 1),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert(kernel_place_choose_ports(&place, "127.0.0.1"));
    cr_assert_eq(place.http_port, http, "that one is free still");
    cr_assert(place.bus_port != bus);
    close(fd);
}

Test(place, only_the_process_that_was_started_is_found)
{
    cr_assert_eq(kernel_place_find_process(&place), 0);
    kernel_place_set_process(&place, getpid());
    cr_assert_eq(kernel_place_find_process(&place), getpid());
    kernel_place_set_process(&place, 0);
    cr_assert_eq(kernel_place_find_process(&place), 0);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    kernel_place_set_process(&place, child);
    cr_assert_eq(kernel_place_find_process(&place), child);
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    cr_assert_eq(kernel_place_find_process(&place), 0, "it is dead, if not buried");
    waitpid(child, NULL, 0);
    cr_assert_eq(kernel_place_find_process(&place), 0);
}

/* The number alone proves nothing: it may be somebody else's by now. */
Test(place, a_number_is_no_process)
{
    char text[128];
    snprintf(text, sizeof text, "%d 1 none\n", (int)getpid());
    put("pid", text);
    cr_assert_eq(kernel_place_find_process(&place), 0);
    kernel_place_set_process(&place, getpid());
    static const char *const texts[] = {"", "1", "-1 5", "x y z",
                                        "99999999999999999999 1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("pid", texts[i]);
        cr_expect_eq(kernel_place_find_process(&place), 0, "%s", texts[i]);
    }
}

Test(place, one_kernel_a_folder)
{
    int first;
    int second;
    crdt_diag diag = {0};
    cr_assert_eq(kernel_place_lock(dir, &first, NULL), CRDT_OK);
    cr_assert_eq(kernel_place_lock(dir, &second, &diag), CRDT_EBUSY);
    cr_assert(strstr(diag.text, "another kernel") != NULL);
    close(first);
    cr_assert_eq(kernel_place_lock(dir, &second, NULL), CRDT_OK);
    close(second);
}

Test(place, a_path_that_is_too_long)
{
    char path[1000];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    kernel_place other;
    cr_assert_eq(kernel_place_open(&other, path, "0,0", NULL), CRDT_EINVAL);
    cr_assert_eq(kernel_place_open(&other, "/dev/null", "0,0", NULL), CRDT_EIO);
}
