#include "sync/sim_net.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static sync_sim_net open_net(uint64_t seed, sync_sim_faults faults)
{
    sync_sim_net net;
    cr_assert_eq(sync_sim_net_init(&net, crdt_alloc_default(), 3, seed), CRDT_OK);
    net.faults = faults;
    return net;
}

static void send(sync_sim_net *net, uint32_t from, uint32_t to,
                 sync_sim_packet_kind kind, uint64_t token)
{
    sync_sim_packet about = {.kind = kind, .from = from, .to = to, .token = token};
    cr_assert_eq(sync_sim_net_send(net, &about, crdt_span_of("hello"), 100), CRDT_OK);
}

/* What comes from 0 to 1, as text: "token@time ". */
static void take_all(sync_sim_net *net, char *text, size_t size)
{
    sync_sim_packet packet;
    size_t at = 0;
    text[0] = '\0';
    while (sync_sim_net_take(net, &packet)) {
        if (packet.from == 0 && packet.to == 1 && at + 32 < size) {
            at += (size_t)snprintf(text + at, size - at, "%llu@%llu ",
                                   (unsigned long long)packet.token,
                                   (unsigned long long)packet.at_ms);
        }
        sync_sim_net_free(net, &packet);
    }
}

static const sync_sim_faults BAD = {
    .drop_percent = 40, .duplicate_percent = 30, .delay_ms_min = 1, .delay_ms_max = 80};

/* What becomes of a packet does not depend on what others send. */
Test(sim_net, each_way_has_its_own_luck)
{
    char alone[4000];
    char among[4000];
    sync_sim_net net = open_net(9, BAD);
    for (uint64_t i = 0; i < 100; i++) {
        send(&net, 0, 1, SYNC_SIM_PUBLICATION, i);
    }
    take_all(&net, alone, sizeof alone);
    sync_sim_net_deinit(&net);
    net = open_net(9, BAD);
    for (uint64_t i = 0; i < 100; i++) {
        send(&net, 1, 0, SYNC_SIM_PUBLICATION, i);
        send(&net, 0, 1, SYNC_SIM_PUBLICATION, i);
        send(&net, 2, 1, SYNC_SIM_REQUEST, i);
    }
    take_all(&net, among, sizeof among);
    sync_sim_net_deinit(&net);
    cr_assert_str_eq(alone, among);
    cr_assert_neq(strlen(alone), 0);
}

Test(sim_net, faults_come_as_often_as_asked_for)
{
    sync_sim_net net = open_net(4, BAD);
    char text[64];
    for (uint64_t i = 0; i < 10000; i++) {
        send(&net, 0, 1, SYNC_SIM_PUBLICATION, i);
    }
    take_all(&net, text, sizeof text);
    cr_assert(net.sent > 12700 && net.sent < 13300, "%llu",
              (unsigned long long)net.sent);
    cr_assert_eq(net.sent, 10000 + net.repeated);
    cr_assert(net.lost * 100 > net.sent * 38 && net.lost * 100 < net.sent * 42);
    cr_assert_gt(net.overtaken, 1000);
    cr_assert_eq(net.cut_off, 0);
    sync_sim_net_deinit(&net);
}

/* Questions and answers come once or not; 0 % and 100 % mean it. */
Test(sim_net, limits)
{
    sync_sim_net net = open_net(4, (sync_sim_faults){.duplicate_percent = 100,
                                                     .delay_ms_min = 5,
                                                     .delay_ms_max = 5});
    char text[64];
    send(&net, 0, 1, SYNC_SIM_REQUEST, 7);
    send(&net, 0, 1, SYNC_SIM_REPLY, 8);
    take_all(&net, text, sizeof text);
    cr_assert_str_eq(text, "7@105 8@105 ");
    send(&net, 0, 1, SYNC_SIM_PUBLICATION, 9);
    take_all(&net, text, sizeof text);
    cr_assert_str_eq(text, "9@105 9@105 ");
    net.faults.drop_percent = 100;
    send(&net, 0, 1, SYNC_SIM_REQUEST, 1);
    cr_assert_eq(sync_sim_net_next_ms(&net), UINT64_MAX);
    sync_sim_net_deinit(&net);
}

Test(sim_net, cuts_are_one_way)
{
    sync_sim_net net =
        open_net(4, (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 1});
    char text[64];
    sync_sim_net_cut(&net, 0, 1, true);
    send(&net, 0, 1, SYNC_SIM_PUBLICATION, 1);
    send(&net, 1, 0, SYNC_SIM_PUBLICATION, 2);
    cr_assert_eq(net.cut_off, 1);
    cr_assert_eq(net.packet_count, 1);
    sync_sim_net_cut(&net, 0, 1, false);
    send(&net, 0, 1, SYNC_SIM_PUBLICATION, 3);
    take_all(&net, text, sizeof text);
    cr_assert_str_eq(text, "3@101 ");
    sync_sim_net_deinit(&net);
}

/* A packet that was put back comes with its bytes. */
Test(sim_net, put_back)
{
    sync_sim_net net =
        open_net(4, (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 1});
    sync_sim_packet packet;
    send(&net, 0, 1, SYNC_SIM_PUBLICATION, 1);
    cr_assert(sync_sim_net_take(&net, &packet));
    packet.at_ms = 500;
    cr_assert_eq(sync_sim_net_put(&net, &packet), CRDT_OK);
    cr_assert_eq(sync_sim_net_next_ms(&net), 500);
    cr_assert(sync_sim_net_take(&net, &packet));
    cr_assert(memcmp(packet.bytes, "hello", 5) == 0 && packet.size == 5);
    sync_sim_net_free(&net, &packet);
    cr_assert_eq(net.overtaken, 0);
    sync_sim_net_deinit(&net);
}

/* The last one that is under way; a timer is no packet. */
Test(sim_net, the_last_one_under_way)
{
    sync_sim_net net =
        open_net(4, (sync_sim_faults){.delay_ms_min = 7, .delay_ms_max = 7});
    sync_sim_packet timer = {.kind = SYNC_SIM_EXPIRED, .at_ms = 900};
    cr_assert_eq(sync_sim_net_schedule(&net, &timer), CRDT_OK);
    cr_assert_eq(sync_sim_net_last_ms(&net), 0);
    net.faults.delay_ms_max = net.faults.delay_ms_min = 300;
    send(&net, 0, 1, SYNC_SIM_PUBLICATION, 1);
    net.faults.delay_ms_max = net.faults.delay_ms_min = 7;
    send(&net, 1, 0, SYNC_SIM_REQUEST, 2);
    cr_assert_eq(sync_sim_net_last_ms(&net), 400);
    sync_sim_net_deinit(&net);
}
