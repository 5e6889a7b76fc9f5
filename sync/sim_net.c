#include "sync/sim_net.h"

#include "sync/sim_random.h"

#include <string.h>

crdt_err sync_sim_net_init(sync_sim_net *net, crdt_alloc alloc, uint32_t place_count,
                           uint64_t seed)
{
    *net = (sync_sim_net){.alloc = alloc,
                          .seed = seed,
                          .place_count = place_count,
                          .faults = {.delay_ms_min = 1, .delay_ms_max = 1}};
    size_t pairs = (size_t)place_count * place_count;
    net->cut = crdt_allocate(alloc, pairs * sizeof *net->cut);
    net->numbers = crdt_allocate(alloc, pairs * sizeof *net->numbers);
    net->arrived = crdt_allocate(alloc, pairs * sizeof *net->arrived);
    if (net->cut == NULL || net->numbers == NULL || net->arrived == NULL) {
        return CRDT_ENOMEM;
    }
    memset(net->arrived, 0, pairs * sizeof *net->arrived);
    memset(net->cut, 0, pairs * sizeof *net->cut);
    memset(net->numbers, 0, pairs * sizeof *net->numbers);
    return CRDT_OK;
}

void sync_sim_net_deinit(sync_sim_net *net)
{
    for (size_t i = 0; i < net->packet_count; i++) {
        sync_sim_net_free(net, &net->packets[i]);
    }
    crdt_free(net->alloc, net->packets, net->packet_capacity * sizeof *net->packets);
    size_t pairs = (size_t)net->place_count * net->place_count;
    crdt_free(net->alloc, net->cut, pairs * sizeof *net->cut);
    crdt_free(net->alloc, net->numbers, pairs * sizeof *net->numbers);
    crdt_free(net->alloc, net->arrived, pairs * sizeof *net->arrived);
}

void sync_sim_net_cut(sync_sim_net *net, uint32_t from, uint32_t to, bool cut)
{
    net->cut[from * net->place_count + to] = cut;
}

bool sync_sim_net_is_cut(const sync_sim_net *net, uint32_t from, uint32_t to)
{
    return net->cut[from * net->place_count + to];
}

/* ---- the heap ---- */

static bool comes_before(const sync_sim_packet *a, const sync_sim_packet *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(sync_sim_packet *a, sync_sim_packet *b)
{
    sync_sim_packet c = *a;
    *a = *b;
    *b = c;
}

static crdt_err push(sync_sim_net *net, const sync_sim_packet *packet)
{
    if (net->packet_count == net->packet_capacity) {
        size_t capacity = net->packet_capacity == 0 ? 64 : net->packet_capacity * 2;
        sync_sim_packet *packets = crdt_resize_array(
            net->alloc, net->packets, net->packet_capacity, capacity, sizeof *packets);
        if (packets == NULL) {
            return CRDT_ENOMEM;
        }
        net->packets = packets;
        net->packet_capacity = capacity;
    }
    size_t at = net->packet_count++;
    net->packets[at] = *packet;
    net->packets[at].order = ++net->order;
    while (at > 0 && comes_before(&net->packets[at], &net->packets[(at - 1) / 2])) {
        swap(&net->packets[at], &net->packets[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return CRDT_OK;
}

static void sift_down(sync_sim_net *net)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= net->packet_count) {
            return;
        }
        if (child + 1 < net->packet_count &&
            comes_before(&net->packets[child + 1], &net->packets[child])) {
            child++;
        }
        if (!comes_before(&net->packets[child], &net->packets[at])) {
            return;
        }
        swap(&net->packets[child], &net->packets[at]);
        at = child;
    }
}

uint64_t sync_sim_net_next_ms(const sync_sim_net *net)
{
    return net->packet_count == 0 ? UINT64_MAX : net->packets[0].at_ms;
}

uint64_t sync_sim_net_last_ms(const sync_sim_net *net)
{
    uint64_t last = 0;
    for (size_t i = 0; i < net->packet_count; i++) {
        const sync_sim_packet *packet = &net->packets[i];
        if (packet->number > 0 && packet->at_ms > last) {
            last = packet->at_ms;
        }
    }
    return last;
}

bool sync_sim_net_take(sync_sim_net *net, sync_sim_packet *packet)
{
    if (net->packet_count == 0) {
        return false;
    }
    *packet = net->packets[0];
    net->packets[0] = net->packets[--net->packet_count];
    sift_down(net);
    if (packet->number > 0) {
        uint64_t *arrived = &net->arrived[packet->from * net->place_count + packet->to];
        net->overtaken += packet->number < *arrived ? 1 : 0;
        *arrived = packet->number > *arrived ? packet->number : *arrived;
    }
    return true;
}

void sync_sim_net_free(sync_sim_net *net, sync_sim_packet *packet)
{
    crdt_free(net->alloc, packet->bytes, packet->size);
    packet->bytes = NULL;
}

/* ---- sending ---- */

/* The luck of the next packet on a way: a stream of numbers of its own. */
static sync_sim_random luck_of_packet(sync_sim_net *net, uint32_t from, uint32_t to)
{
    uint64_t number = ++net->numbers[from * net->place_count + to];
    sync_sim_random luck = {net->seed ^ ((uint64_t)from << 32 | to)};
    luck.state = sync_sim_random_next(&luck) ^ number;
    luck.state = sync_sim_random_next(&luck);
    return luck;
}

static bool happens(sync_sim_random *luck, uint32_t percent)
{
    return sync_sim_random_next(luck) % 100 < percent;
}

crdt_err sync_sim_net_send(sync_sim_net *net, const sync_sim_packet *about,
                           crdt_span bytes, uint64_t now_ms)
{
    const sync_sim_faults *faults = &net->faults;
    uint64_t spread = faults->delay_ms_max - faults->delay_ms_min + 1;
    sync_sim_random luck = luck_of_packet(net, about->from, about->to);
    bool requests = about->kind != SYNC_SIM_PUBLICATION; /* answered once or not */
    unsigned copies = happens(&luck, faults->duplicate_percent) && !requests ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        net->sent++;
        uint64_t at_ms =
            now_ms + faults->delay_ms_min + sync_sim_random_next(&luck) % spread;
        bool cut = sync_sim_net_is_cut(net, about->from, about->to);
        net->repeated += i;
        if (happens(&luck, faults->drop_percent) || cut) {
            net->lost++;
            net->cut_off += cut ? 1 : 0;
            continue;
        }
        sync_sim_packet packet = *about;
        packet.number = net->numbers[about->from * net->place_count + about->to];
        packet.at_ms = at_ms;
        packet.size = bytes.size;
        packet.bytes = crdt_allocate(net->alloc, bytes.size);
        if (packet.bytes == NULL) {
            return CRDT_ENOMEM;
        }
        memcpy(packet.bytes, bytes.data, bytes.size);
        crdt_err err = push(net, &packet);
        if (err != CRDT_OK) {
            sync_sim_net_free(net, &packet);
            return err;
        }
    }
    return CRDT_OK;
}

crdt_err sync_sim_net_put(sync_sim_net *net, const sync_sim_packet *packet)
{
    return push(net, packet);
}

crdt_err sync_sim_net_schedule(sync_sim_net *net, const sync_sim_packet *about)
{
    sync_sim_packet packet = *about;
    packet.bytes = NULL;
    packet.size = 0;
    packet.number = 0;
    return push(net, &packet);
}
