/* Prompts: the backend waits on the mailbox's condition, the owner answers by argv streams. An
 * owner who comes back is asked again; END and the deadline end the wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/clock.h"
#include "guacd/base/log.h"
#include "guacd/base/secret.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "guacd/session/session.h"

#define ASK_NAMES 16

/* Lives on the backend thread's stack while it waits; s->ask points to it, under mailbox.lock. */
struct ask {
    const char *const *names;
    size_t count, answered;
    char **values;       /* NULL until answered */
    const char *text;    /* of session_ask_text, or NULL */
    const char *choices; /* of session_ask_choice, or NULL */
    bool echo, refused;
};

/* ---- wire thread --------------------------------------------------------------------------- */

/* "a, b" as ["a","b"]; NULL for none. */
static json_t *split(const char *choices) {
    json_t *list = choices ? json_array() : NULL;
    for (const char *p = choices; list && *p;) {
        size_t n = strcspn(p, ", ");
        if (n)
            json_array_append_new(list, json_stringn(p, n));
        p += n;
        p += strspn(p, ", ");
    }
    return list;
}

/* `required` to the owner. What the backend lent is copied out, since it may wake at any time. */
static void send_required(struct session *s, struct user *owner) {
    _buf_cleanup_ struct buf b;
    buf_init(&b, INSTR_BYTES_MAX);
    json_t *question = NULL;
    bool open = false;
    pthread_mutex_lock(&s->mailbox.lock);
    struct ask *a = s->ask;
    if (a && owner->version < HANDSHAKE_1_3_0) {
        a->refused = true;
        pthread_cond_broadcast(&s->mailbox.changed);
    } else if (a) {
        instr_begin(&b, "required");
        for (size_t i = 0; i < a->count; i++)
            if (!a->values[i])
                instr_str(&b, a->names[i]);
        instr_end(&b);
        if (a->text)
            question = json_pack("{s:{s:s,s:s,s:b,s:o*}}", "ask", "name", a->names[0], "text",
                                 a->text, "echo", a->echo, "choices", split(a->choices));
        open = true;
    }
    pthread_mutex_unlock(&s->mailbox.lock);
    if (!open)
        return;
    if (question)
        notify_state(s, owner, question);
    if (user_live(owner))
        user_send_buf(owner, &b);
}

void ask_repeat(struct user *owner) {
    send_required(owner->s, owner);
}

static void on_asked(void *arg) {
    struct session *s = arg;
    if (s->owner && user_live(s->owner))
        send_required(s, s->owner);
}

static void on_answered(void *arg) {
    struct session *s = arg;
    struct event ev = { .type = EVENT_RELEASE }; /* releases typed into the prompt are unknown */
    mailbox_put(&s->mailbox, &ev);
    notify_state(s, s->owner, json_pack("{s:n}", "asked"));
}

bool ask_wants(struct session *s, const char *name) {
    bool found = false;
    pthread_mutex_lock(&s->mailbox.lock);
    for (size_t i = 0; s->ask && i < s->ask->count; i++)
        found |= !s->ask->values[i] && strcmp(s->ask->names[i], name) == 0;
    pthread_mutex_unlock(&s->mailbox.lock);
    return found;
}

void ask_answer(struct session *s, const char *name, const char *data, size_t len) {
    char *copy = malloc(len + 1);
    if (!copy)
        return;
    memcpy(copy, data, len);
    copy[len] = '\0';
    pthread_mutex_lock(&s->mailbox.lock);
    struct ask *a = s->ask;
    for (size_t i = 0; a && i < a->count; i++)
        if (!a->values[i] && strcmp(a->names[i], name) == 0) {
            a->values[i] = steal_ptr(copy);
            a->answered++;
            break;
        }
    if (a && a->answered == a->count)
        pthread_cond_broadcast(&s->mailbox.changed);
    pthread_mutex_unlock(&s->mailbox.lock);
    if (copy)
        secret_wipe(copy, len);
    free(copy);
}

/* ---- backend thread ------------------------------------------------------------------------ */

static int wait_answers(struct session *s, struct ask *a, struct err *e) {
    struct mailbox *m = &s->mailbox;
    const struct timespec until = clock_deadline(ASK_MS);
    pthread_mutex_lock(&m->lock);
    s->ask = a;
    m->input_off = true;
    pthread_mutex_unlock(&m->lock);
    loop_post(s->loop, on_asked, s);

    pthread_mutex_lock(&m->lock);
    int r = 0;
    while (a->answered < a->count && !m->ended && !a->refused && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    bool ended = m->ended;
    s->ask = NULL;
    m->input_off = false;
    pthread_mutex_unlock(&m->lock);
    loop_post(s->loop, on_answered, s);
    if (a->answered == a->count)
        return 0;
    if (ended)
        return err_set(e, STATUS_SESSION_CLOSED, "the session ended while a prompt was open");
    if (a->refused)
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED,
                       "the connection needs %s, and this client cannot be asked", a->names[0]);
    return err_set(e, STATUS_CLIENT_TIMEOUT, "nobody answered the prompt for %s", a->names[0]);
}

static int ask(struct session *s, struct ask *a, char **values, struct err *e) {
    if (a->count == 0 || a->count > ASK_NAMES)
        return err_set(e, 0, "a prompt for %zu parameters", a->count);
    char *got[ASK_NAMES] = { 0 };
    a->values = got;
    int r = wait_answers(s, a, e);
    for (size_t i = 0; i < a->count; i++) {
        if (r == 0) {
            values[i] = got[i];
        } else if (got[i]) {
            secret_wipe(got[i], strlen(got[i]));
            free(got[i]);
        }
    }
    return r;
}

int session_ask(struct session *s, const char *const *names, size_t count, char **values,
                struct err *e) {
    struct ask a = { .names = names, .count = count };
    return ask(s, &a, values, e);
}

int session_ask_text(struct session *s, const char *name, const char *text, bool echo, char **value,
                     struct err *e) {
    struct ask a = { .names = &name, .count = 1, .text = text, .echo = echo };
    return ask(s, &a, value, e);
}

int session_ask_choice(struct session *s, const char *name, const char *text, const char *choices,
                       char **value, struct err *e) {
    struct ask a = { .names = &name, .count = 1, .text = text, .choices = choices, .echo = true };
    return ask(s, &a, value, e);
}
