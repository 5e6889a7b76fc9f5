/* Several threads put answers into a postbox, one takes them: each comes once, those of
 * one thread in their order; what nobody takes is freed. */

#include "cli/web/postbox.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4
#define ANSWERS 5000

static web_postbox postbox;

static void *put_all(void *ctx)
{
    uint64_t number = *(uint64_t *)ctx;
    for (uint64_t i = 0; i < ANSWERS; i++) {
        char location[32];
        web_reply reply = {.status = 302, .token = number << 32 | i};
        snprintf(location, sizeof location, "/%llu", (unsigned long long)reply.token);
        reply.location = location;
        crdt_buf_init(&reply.body, crdt_alloc_default());
        crdt_err err = crdt_buf_append(&reply.body, location, strlen(location));
        assert(err == CRDT_OK);
        web_postbox_put(&postbox, &reply);
        memset(location, 'x', sizeof location); /* it was copied */
    }
    return NULL;
}

static void take_all(void)
{
    uint64_t next[THREADS] = {0};
    for (size_t taken = 0; taken < (size_t)THREADS * ANSWERS;) {
        web_mail *mail = web_postbox_take(&postbox);
        if (mail == NULL) {
            continue;
        }
        char wanted[32];
        uint64_t thread = mail->reply.token >> 32;
        assert(thread < THREADS);
        assert((mail->reply.token & UINT32_MAX) == next[thread]);
        next[thread]++;
        snprintf(wanted, sizeof wanted, "/%llu", (unsigned long long)mail->reply.token);
        assert(strcmp(mail->reply.location, wanted) == 0);
        assert(mail->reply.body.size == strlen(wanted));
        crdt_buf_deinit(&mail->reply.body);
        web_mail_free(&postbox, mail);
        taken++;
    }
}

int main(void)
{
    pthread_t threads[THREADS];
    uint64_t numbers[THREADS];
    web_postbox_init(&postbox, crdt_alloc_default());
    assert(web_postbox_take(&postbox) == NULL);
    for (uint64_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        int result = pthread_create(&threads[i], NULL, put_all, &numbers[i]);
        assert(result == 0);
    }
    take_all();
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert(web_postbox_take(&postbox) == NULL);
    put_all(&numbers[0]); /* left behind: the leak checker looks */
    web_postbox_deinit(&postbox);
    return 0;
}
