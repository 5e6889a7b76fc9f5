#include "bench/anchor_nng.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tls/tls.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct bench_nng {
    nng_socket pub;
    nng_socket sub;
    size_t message_size;
    uint64_t sent;
    _Atomic uint64_t received;
    bench_spread spread;
};

static void must(int result, const char *what)
{
    if (result != 0) {
        bench_die(what, nng_strerror(result));
    }
}

static void *receive(void *ctx)
{
    bench_nng *anchor = ctx;
    nng_msg *msg = NULL;
    while (nng_recvmsg(anchor->sub, &msg, 0) == 0) {
        double sent_us = 0;
        memcpy(&sent_us, nng_msg_body(msg), sizeof sent_us);
        if (sent_us > 0) {
            bench_spread_add(&anchor->spread, bench_now_us() - sent_us);
        }
        nng_msg_free(msg);
        anchor->received++;
    }
    return NULL;
}

static nng_tls_config *make_tls(const char *pem, nng_tls_mode mode)
{
    nng_tls_config *tls = NULL;
    must(nng_tls_config_alloc(&tls, mode), "TLS");
    must(nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED), "TLS");
    must(nng_tls_config_ca_file(tls, pem), pem);
    must(nng_tls_config_cert_key_file(tls, pem, NULL), pem);
    if (mode == NNG_TLS_MODE_CLIENT) {
        must(nng_tls_config_server_name(tls, "localhost"), "TLS");
    }
    return tls;
}

static void send_stamped(bench_nng *anchor, double stamp_us)
{
    nng_msg *msg = NULL;
    must(nng_msg_alloc(&msg, anchor->message_size), "message");
    memset(nng_msg_body(msg), 0, anchor->message_size);
    memcpy(nng_msg_body(msg), &stamp_us, sizeof stamp_us);
    must(nng_sendmsg(anchor->pub, msg, NNG_FLAG_NONBLOCK), "send");
    anchor->sent++;
}

/* Messages without a stamp until the subscriber hears them. */
static void await_subscriber(bench_nng *anchor)
{
    double until = bench_now_us() + 10e6;
    while (anchor->received == 0 && bench_now_us() < until) {
        send_stamped(anchor, 0);
        bench_sleep_until(bench_now_us() + 10e3);
    }
    if (anchor->received == 0) {
        bench_die("nng", "the subscriber hears nothing");
    }
    bench_sleep_until(bench_now_us() + 100e3);
    anchor->sent = anchor->received;
}

bench_nng *bench_nng_open(const char *url, const char *pem, size_t message_size)
{
    bench_nng *anchor = calloc(1, sizeof *anchor);
    bench_must_bytes(anchor, "nng");
    anchor->message_size = message_size;
    bench_spread_init(&anchor->spread);
    must(nng_pub0_open(&anchor->pub), "PUB socket");
    must(nng_sub0_open(&anchor->sub), "SUB socket");
    must(nng_socket_set(anchor->sub, NNG_OPT_SUB_SUBSCRIBE, "", 0), "subscribe");
    nng_listener listener;
    nng_dialer dialer;
    must(nng_listener_create(&listener, anchor->pub, url), url);
    must(nng_dialer_create(&dialer, anchor->sub, url), url);
    if (pem != NULL) {
        must(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG,
                                  make_tls(pem, NNG_TLS_MODE_SERVER)),
             "TLS");
        must(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG,
                                make_tls(pem, NNG_TLS_MODE_CLIENT)),
             "TLS");
    }
    must(nng_listener_start(listener, 0), url);
    must(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), url);
    pthread_t thread;
    if (pthread_create(&thread, NULL, receive, anchor) != 0) {
        bench_die("nng", "no thread");
    }
    pthread_detach(thread);
    await_subscriber(anchor);
    return anchor;
}

void bench_nng_send(bench_nng *anchor)
{
    send_stamped(anchor, bench_now_us());
}

void bench_nng_settle(bench_nng *anchor)
{
    double until = bench_now_us() + 1e6;
    while (anchor->received < anchor->sent && bench_now_us() < until) {
        bench_sleep_until(bench_now_us() + 1e3);
    }
}

bench_spread *bench_nng_spread(bench_nng *anchor)
{
    return &anchor->spread;
}
