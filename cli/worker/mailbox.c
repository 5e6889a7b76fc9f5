#include "cli/worker/mailbox.h"

void worker_mailbox_init(worker_mailbox *box, crdt_alloc alloc)
{
    *box = (worker_mailbox){.alloc = alloc};
    pthread_mutex_init(&box->mutex, NULL);
}

void worker_mailbox_deinit(worker_mailbox *box)
{
    worker_mail *mail;
    while ((mail = worker_mailbox_take(box)) != NULL) {
        worker_mail_close(mail);
    }
    pthread_mutex_destroy(&box->mutex);
}

worker_mail *worker_mail_open(worker_mailbox *box, worker_mail_kind kind)
{
    worker_mail *mail = crdt_allocate(box->alloc, sizeof *mail);
    if (mail != NULL) {
        *mail = (worker_mail){.kind = kind};
        worker_news_init(&mail->news, box->alloc);
        crdt_buf_init(&mail->id, box->alloc);
        crdt_buf_init(&mail->text, box->alloc);
    }
    return mail;
}

void worker_mail_close(worker_mail *mail)
{
    crdt_alloc alloc = mail->text.alloc;
    worker_news_deinit(&mail->news);
    crdt_buf_deinit(&mail->id);
    crdt_buf_deinit(&mail->text);
    crdt_free(alloc, mail, sizeof *mail);
}

void worker_mailbox_post(worker_mailbox *box, worker_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->mutex);
    *(box->last == NULL ? &box->first : &box->last->next) = mail;
    box->last = mail;
    pthread_mutex_unlock(&box->mutex);
}

worker_mail *worker_mailbox_take(worker_mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    worker_mail *mail = box->first;
    if (mail != NULL) {
        box->first = mail->next;
        box->last = box->first == NULL ? NULL : box->last;
    }
    pthread_mutex_unlock(&box->mutex);
    return mail;
}
