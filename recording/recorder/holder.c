/* One job a hold; what is stored after it (of a session that still runs) is not under it. */
#include "recording/recorder/holder.h"

#include <stdlib.h>
#include <string.h>

#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/name.h"

#define AT_ONCE 16

struct hold {
    struct job job;
    struct holder *holder;
    struct hold *next;
    char session[UUID_LEN + 1], prefix[NAME_PREFIX_SIZE];
    bool on;
    int64_t at;
    json_t *envelope;
    holder_done *done;
    void *arg;
    size_t objects;
    enum store_result result;
    struct store *store;
    struct err err;
};

struct holder {
    struct recorder *r;
    struct store_target *target; /* NULL: the writer's own identity */
    struct hold *list;
    size_t count;
};

struct holder *holder_new(struct recorder *r, struct err *e) {
    const struct config *c = r->config;
    struct holder *h = calloc(1, sizeof *h);
    if (!h) {
        err_set(e, 0, "no memory for holds");
        return NULL;
    }
    h->r = r;
    if (!c->hold_access_key_file)
        return h;
    struct store_config store = c->store;
    store.access_key_file = c->hold_access_key_file;
    store.secret_key_file = c->hold_secret_key_file;
    h->target = store_target_new(&store, e);
    if (h->target)
        return h;
    err_prefix(e, "hold-access-key-file");
    free(h);
    return NULL;
}

static void hold_free(struct hold *x) {
    for (struct hold **p = &x->holder->list; *p; p = &(*p)->next)
        if (*p == x) {
            *p = x->next;
            x->holder->count--;
            break;
        }
    json_decref(x->envelope);
    free(x);
}

void holder_free(struct holder *h) {
    if (!h)
        return;
    while (h->list)
        hold_free(h->list);
    store_target_free(h->target);
    free(h);
}

static int on_object(void *arg, const struct store_entry *entry) {
    struct hold *x = arg;
    if (entry->folder)
        return 0;
    x->result = store_hold(x->store, entry->key, NULL, x->on, &x->err);
    x->objects += x->result == STORE_OK;
    return x->result != STORE_OK;
}

static void run(struct job *j, struct worker *w) {
    struct hold *x = (struct hold *)j;
    struct store *own = NULL;
    if (x->holder->target && !(own = store_new(x->holder->target, &x->err))) {
        x->result = STORE_AWAY;
        return;
    }
    x->store = own ? own : w->store;
    x->result = STORE_OK;
    enum store_result listed = store_list(x->store, x->prefix, on_object, x, &x->err);
    if (listed != STORE_OK)
        x->result = listed;
    if (x->result == STORE_OK && x->objects == 0) {
        err_set(&x->err, STATUS_RESOURCE_NOT_FOUND, "nothing is stored under %s", x->prefix);
        x->result = STORE_MISSING;
    }
    store_free(own);
}

static void logged(void *arg, const struct logger_place *place) {
    struct hold *x = arg;
    if (x->done)
        x->done(x->arg, place, x->objects, NULL);
    hold_free(x);
}

static void ran(struct job *j) {
    struct hold *x = (struct hold *)j;
    const struct leaf leaf = {
        .kind = LEAF_HOLD, .at = x->at, .session = x->session, .envelope = x->envelope
    };
    if (x->result == STORE_OK &&
        logger_add(x->holder->r->logger, &leaf, false, 0, logged, x, &x->err) == 0)
        return;
    log_error("session %s: its hold was not %s on all objects: %s", x->session,
              x->on ? "set" : "cleared", x->err.text);
    if (x->done)
        x->done(x->arg, NULL, x->objects, &x->err);
    hold_free(x);
}

int holder_set(struct holder *h, const struct holder_want *w, holder_done *done, void *arg,
               struct err *e) {
    struct name_prefix p;
    if (!name_prefix_parse(w->prefix, &p) || strcmp(p.session, w->session) != 0)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "hold: that prefix is not the session's");
    struct hold *x = h->count < AT_ONCE ? calloc(1, sizeof *x) : NULL;
    if (!x)
        return err_set(e, STATUS_SERVER_BUSY, "too many holds at once");
    *x = (struct hold){ .job = { .run = run, .done = ran },
                        .holder = h,
                        .next = h->list,
                        .on = w->on,
                        .at = w->at,
                        .envelope = json_deep_copy(w->envelope),
                        .done = done,
                        .arg = arg };
    snprintf(x->session, sizeof x->session, "%s", w->session);
    snprintf(x->prefix, sizeof x->prefix, "%s", w->prefix);
    h->list = x;
    h->count++;
    work_submit(h->r->work, &x->job);
    return 0;
}

void holder_forget(struct holder *h, const void *arg) {
    for (struct hold *x = h->list; x; x = x->next)
        if (x->arg == arg)
            x->done = NULL;
}
