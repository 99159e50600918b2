#include "guacd/session/mailbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guacd/base/secret.h"

#define RESERVE 16 /* places kept for events that must get in */

void event_fini(struct event *ev) {
    if (ev->data) {
        secret_wipe(ev->data, ev->len);
        free(ev->data);
    }
    ev->data = NULL;
    ev->len = 0;
}

int mailbox_init(struct mailbox *m, struct err *e) {
    memset(m, 0, sizeof(*m));
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->fd < 0)
        return err_errno(e, 0, "no eventfd for the mailbox");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
    return 0;
}

void mailbox_fini(struct mailbox *m) {
    for (size_t i = 0; i < m->count; i++)
        event_fini(&m->ring[(m->head + i) % m->cap]);
    free(m->ring);
    close(m->fd);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
}

static bool is_control(enum event_type t) {
    return t == EVENT_RELEASE || t == EVENT_PAUSE || t == EVENT_RESUME || t == EVENT_END ||
           t == EVENT_TEXT;
}

static bool is_input(enum event_type t) {
    return t == EVENT_KEY || t == EVENT_MOUSE || t == EVENT_TOUCH;
}

static struct event *newest(struct mailbox *m) {
    return m->count ? &m->ring[(m->head + m->count - 1) % m->cap] : NULL;
}

static void drop_newest(struct mailbox *m) {
    m->count--;
}

/* Does ev say all that an event still waiting said? Then it takes its place. */
static bool coalesce(struct mailbox *m, struct event *ev) {
    struct event *last = newest(m);
    if (!last)
        return false;
    if (ev->type == EVENT_MOUSE && ev->mouse.move && last->type == EVENT_MOUSE &&
        last->mouse.move && last->user == ev->user) {
        last->mouse = ev->mouse;
        return true;
    }
    if ((ev->type == EVENT_PAUSE && last->type == EVENT_RESUME) ||
        (ev->type == EVENT_RESUME && last->type == EVENT_PAUSE)) {
        drop_newest(m);
        return true;
    }
    if (ev->type == EVENT_SIZE || ev->type == EVENT_TEXT || ev->type == EVENT_END)
        for (size_t i = 0; i < m->count; i++) {
            struct event *old = &m->ring[(m->head + i) % m->cap];
            if (old->type == ev->type) {
                *old = *ev;
                return true;
            }
        }
    return is_control(ev->type) && last->type == ev->type;
}

static bool room(const struct mailbox *m) {
    return m->count < MAILBOX_EVENTS - RESERVE && m->bytes < MAILBOX_BYTES;
}

static bool grow(struct mailbox *m) {
    size_t cap = m->cap ? m->cap * 2 : 16;
    struct event *ring = calloc(cap, sizeof(*ring));
    if (!ring)
        return false;
    for (size_t i = 0; i < m->count; i++)
        ring[i] = m->ring[(m->head + i) % m->cap];
    free(m->ring);
    m->ring = ring;
    m->cap = cap;
    m->head = 0;
    return true;
}

static bool put_locked(struct mailbox *m, struct event *ev) {
    if (m->ended || (m->input_off && is_input(ev->type))) {
        event_fini(ev);
        return true;
    }
    if (coalesce(m, ev))
        return true;
    if (!is_control(ev->type) && !room(m)) {
        m->full = true;
        return false;
    }
    if (m->count == m->cap && !grow(m)) {
        m->full = !is_control(ev->type);
        return false;
    }
    m->ring[(m->head + m->count++) % m->cap] = *ev;
    m->bytes += ev->len;
    ev->data = NULL;
    ev->len = 0;
    return true;
}

bool mailbox_put(struct mailbox *m, struct event *ev) {
    pthread_mutex_lock(&m->lock);
    bool was_empty = m->count == 0;
    bool end = ev->type == EVENT_END;
    bool good = put_locked(m, ev);
    if (end && good) {
        m->ended = true;
        pthread_cond_broadcast(&m->changed);
    }
    bool wake = was_empty && m->count > 0;
    pthread_mutex_unlock(&m->lock);
    if (wake)
        eventfd_write(m->fd, 1);
    return good;
}

bool mailbox_has_room(struct mailbox *m) {
    pthread_mutex_lock(&m->lock);
    bool r = room(m);
    if (!r)
        m->full = true;
    pthread_mutex_unlock(&m->lock);
    return r;
}

bool mailbox_take(struct mailbox *m, struct event *ev) {
    pthread_mutex_lock(&m->lock);
    bool got = m->count > 0, told = false;
    if (got) {
        *ev = m->ring[m->head];
        m->head = (m->head + 1) % m->cap;
        m->count--;
        m->bytes -= ev->len;
        if (m->full && m->count < MAILBOX_EVENTS / 2 && m->bytes < MAILBOX_BYTES / 2) {
            m->full = false;
            told = true;
        }
    }
    if (m->count == 0) {
        eventfd_t v;
        eventfd_read(m->fd, &v);
    }
    pthread_mutex_unlock(&m->lock);
    if (told && m->on_room)
        m->on_room(m->arg);
    if (got && m->on_taken)
        m->on_taken(m->arg, ev);
    return got;
}

bool mailbox_takes_input(struct mailbox *m) {
    pthread_mutex_lock(&m->lock);
    bool r = !m->input_off && !m->ended;
    pthread_mutex_unlock(&m->lock);
    return r;
}
