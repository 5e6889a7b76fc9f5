#include "cli/web/postbox.h"

#include <stdio.h>

void web_postbox_init(web_postbox *postbox, crdt_alloc alloc)
{
    *postbox = (web_postbox){.alloc = alloc};
    pthread_mutex_init(&postbox->lock, NULL);
}

void web_postbox_deinit(web_postbox *postbox)
{
    for (web_mail *mail; (mail = web_postbox_take(postbox)) != NULL;) {
        crdt_buf_deinit(&mail->reply.body);
        web_mail_free(postbox, mail);
    }
    pthread_mutex_destroy(&postbox->lock);
}

void web_postbox_put(web_postbox *postbox, web_reply *reply)
{
    web_mail *mail = crdt_allocate(postbox->alloc, sizeof *mail);
    if (mail == NULL) {
        crdt_buf_deinit(&reply->body);
        return;
    }
    mail->next = NULL;
    mail->reply = *reply;
    if (reply->location != NULL) {
        snprintf(mail->location, sizeof mail->location, "%s", reply->location);
        mail->reply.location = mail->location;
    }
    pthread_mutex_lock(&postbox->lock);
    *(postbox->last != NULL ? &postbox->last->next : &postbox->first) = mail;
    postbox->last = mail;
    pthread_mutex_unlock(&postbox->lock);
}

web_mail *web_postbox_take(web_postbox *postbox)
{
    pthread_mutex_lock(&postbox->lock);
    web_mail *mail = postbox->first;
    if (mail != NULL) {
        postbox->first = mail->next;
        postbox->last = mail->next == NULL ? NULL : postbox->last;
    }
    pthread_mutex_unlock(&postbox->lock);
    return mail;
}

void web_mail_free(web_postbox *postbox, web_mail *mail)
{
    crdt_free(postbox->alloc, mail, sizeof *mail);
}
