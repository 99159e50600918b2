/* inotify on RUN/s tells when sockets come and go; every few seconds each session is asked anyway.
 */
#include "proxy/authd/sessions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/fdpass.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "proxy/authd/stats.h"

#define LOOK_MS 15000
#define INFO_MS 1000
#define REFRESH_MS 2000
#define SUFFIX ".sock"

struct entry {
    struct session one;
    bool seen;
};

struct sessions {
    char *folder;
    void (*changed)(void *arg);
    bool (*trust)(void *arg, unsigned uid);
    void *arg;
    int inotify, watch, stop;
    pthread_t thread;
    bool running;
    pthread_mutex_t looking; /* one look at a time; taken before `lock` */
    uint64_t looked_at;      /* when all were asked last; clock_ms */
    pthread_mutex_t lock;
    struct entry *list;
    size_t count;
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void socket_path(const struct sessions *s, const char *id, char *out, size_t size) {
    snprintf(out, size, "%s/%s" SUFFIX, s->folder, id);
}

json_t *sessions_call(struct sessions *s, const char *id, json_t *msg, const int *fds, size_t nfds,
                      struct err *e) {
    char path[512];
    uid_t uid = 0;
    pid_t pid = 0;
    _json_ json_t *held = msg;
    if (!held || !uuid_valid(id, strlen(id))) {
        err_set(e, STATUS_RESOURCE_NOT_FOUND, "there is no such session");
        return NULL;
    }
    socket_path(s, id, path, sizeof path);
    struct err ignored = { 0 };
    _close_ int sock = ctl_connect(path, &ignored);
    if (sock < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
        err_set(e, STATUS_RESOURCE_NOT_FOUND, "this session does not run any more");
        return NULL;
    }
    if (sock < 0) {
        err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "%s", ignored.text);
        return NULL;
    }
    if (ctl_peer(sock, &uid, &pid) || !s->trust(s->arg, uid)) {
        err_set(e, STATUS_CLIENT_FORBIDDEN, "user %u at %s is not trusted", uid, path);
        return NULL;
    }
    return ctl_call(sock, held, fds, nfds, NULL, NULL, INFO_MS, e);
}

json_t *sessions_info(struct sessions *s, const char *id, struct err *e) {
    return sessions_call(s, id, json_pack("{s:s}", "op", "info"), NULL, 0, e);
}

/* ---- the list -------------------------------------------------------------------------------- */

void session_fini(struct session *one) {
    free(one->connection);
    free(one->protocol);
    free(one->sub);
    free(one->name);
    free(one->recording);
    json_decref(one->people);
}

int session_copy(struct session *to, const struct session *from) {
    *to = *from;
    to->connection = strdup(from->connection);
    to->protocol = strdup(from->protocol);
    to->sub = strdup(from->sub);
    to->name = strdup(from->name);
    to->recording = strdup(from->recording);
    to->people = from->people ? json_deep_copy(from->people) : NULL; /* trees are never shared */
    if (to->connection && to->protocol && to->sub && to->name && to->recording)
        return 0;
    session_fini(to);
    return -1;
}

/* Under the lock. True when it is a new one. */
static bool put(struct sessions *s, const struct session *one) {
    struct session copy;
    if (session_copy(&copy, one))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i].one.id, one->id) == 0) {
            session_fini(&s->list[i].one);
            s->list[i].one = copy;
            s->list[i].seen = true;
            return false;
        }
    struct entry *p = realloc(s->list, (s->count + 1) * sizeof *p);
    if (!p) {
        session_fini(&copy);
        return false;
    }
    s->list = p;
    s->list[s->count++] = (struct entry){ copy, true };
    metric_set(&stats_active_sessions, (int64_t)s->count);
    return true;
}

void sessions_add(struct sessions *s, const struct session *one) {
    pthread_mutex_lock(&s->lock);
    bool fresh = put(s, one);
    pthread_mutex_unlock(&s->lock);
    if (fresh)
        s->changed(s->arg);
}

void sessions_each(struct sessions *s, void (*fn)(void *arg, const struct session *one),
                   void *arg) {
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        fn(arg, &s->list[i].one);
    pthread_mutex_unlock(&s->lock);
}

size_t sessions_count(struct sessions *s) {
    pthread_mutex_lock(&s->lock);
    size_t n = s->count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* One socket: ask who it is. True when it is new to us. One that does not answer keeps its entry,
 * as long as its socket stands. */
static bool look_at(struct sessions *s, const char *id) {
    struct err e = { 0 };
    _json_ json_t *info = sessions_info(s, id, &e);
    bool fresh = false;
    pthread_mutex_lock(&s->lock);
    if (info) {
        struct session one = {
            .connection = (char *)(uintptr_t)json_str(info, "connection", ""),
            .protocol = (char *)(uintptr_t)json_str(info, "protocol", ""),
            .sub = (char *)(uintptr_t)json_str(info, "owner", ""),
            .name = (char *)(uintptr_t)json_str(info, "ownerName", ""),
            .recording = (char *)(uintptr_t)json_str(info, "recording", ""),
            .started = json_num(info, "started", 0),
            .grace_ms = json_num(info, "grace", 0),
            .users = (long)json_array_size(json_object_get(info, "users")),
            .paused = json_flag(info, "paused", false),
            .people = json_object_get(info, "users"),
        };
        memcpy(one.id, id, UUID_LEN + 1);
        fresh = put(s, &one);
    } else if (e.status != STATUS_RESOURCE_NOT_FOUND) {
        for (size_t i = 0; i < s->count; i++)
            if (strcmp(s->list[i].one.id, id) == 0)
                s->list[i].seen = true;
    }
    pthread_mutex_unlock(&s->lock);
    return fresh;
}

/* Drop who was not seen, unless it came in between. True when one went. */
static bool drop_unseen(struct sessions *s) {
    size_t kept = 0;
    pthread_mutex_lock(&s->lock);
    size_t before = s->count;
    for (size_t i = 0; i < s->count; i++) {
        struct entry *x = &s->list[i];
        if (x->seen)
            s->list[kept++] = *x;
        else
            session_fini(&x->one);
    }
    s->count = kept;
    metric_set(&stats_active_sessions, (int64_t)kept);
    pthread_mutex_unlock(&s->lock);
    return kept != before;
}

static bool known(struct sessions *s, const char *id) {
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; !found && i < s->count; i++)
        if (strcmp(s->list[i].one.id, id) == 0)
            found = s->list[i].seen = true;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* Not seen, unless it answers. */
static void forget(struct sessions *s, const char *id) {
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i].one.id, id) == 0)
            s->list[i].seen = false;
    pthread_mutex_unlock(&s->lock);
}

/* all: ask those that are known already, too. True when a new socket did not answer yet: it is
 * bound a moment before somebody listens. */
static bool look_locked(struct sessions *s, bool all) {
    bool changed = false, early = false;
    DIR *dir = opendir(s->folder);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        s->list[i].seen = false;
    pthread_mutex_unlock(&s->lock);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char id[UUID_LEN + 1];
        if (strlen(entry->d_name) != UUID_LEN + strlen(SUFFIX) ||
            strcmp(entry->d_name + UUID_LEN, SUFFIX) != 0 || !uuid_valid(entry->d_name, UUID_LEN))
            continue;
        memcpy(id, entry->d_name, UUID_LEN);
        id[UUID_LEN] = '\0';
        bool old = known(s, id);
        if (!old || all) {
            forget(s, id);
            changed |= look_at(s, id);
            early |= !old && !known(s, id);
        }
    }
    if (dir)
        closedir(dir);
    changed |= drop_unseen(s);
    if (changed)
        s->changed(s->arg);
    return early;
}

static bool look(struct sessions *s, bool all) {
    pthread_mutex_lock(&s->looking);
    if (all)
        s->looked_at = clock_ms();
    bool early = look_locked(s, all);
    pthread_mutex_unlock(&s->looking);
    return early;
}

void sessions_refresh(struct sessions *s) {
    pthread_mutex_lock(&s->looking);
    if (clock_ms() - s->looked_at > REFRESH_MS) {
        s->looked_at = clock_ms();
        look_locked(s, true);
    }
    pthread_mutex_unlock(&s->looking);
}

static void drain(struct sessions *s) {
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    for (ssize_t n; (n = read(s->inotify, events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *ev = (const void *)(events + at);
            if (ev->mask & IN_IGNORED)
                s->watch = -1;
            at += (ssize_t)(sizeof *ev + ev->len);
        }
}

static void *run(void *arg) {
    struct sessions *s = arg;
    struct pollfd fds[2] = { { s->inotify, POLLIN, 0 }, { s->stop, POLLIN, 0 } };
    int told = 0, again = 0;
    for (;;) {
        if (s->watch < 0) /* guacd makes the folder when it starts */
            s->watch = inotify_add_watch(s->inotify, s->folder,
                                         IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR);
        again = look(s, told == 0 && (again == 0 || again >= 10)) ? again + 1 : 0;
        told = poll(fds, 2, s->watch < 0 ? 500 : again && again < 10 ? 100 : LOOK_MS);
        if (fds[1].revents)
            return NULL;
        drain(s);
    }
}

struct sessions *sessions_new(const char *run_folder, void (*changed)(void *arg),
                              bool (*trust)(void *arg, unsigned uid), void *arg, struct err *e) {
    struct sessions *s = calloc(1, sizeof *s);
    char folder[400];
    if (!s) {
        err_set(e, 0, "no memory for the sessions");
        return NULL;
    }
    snprintf(folder, sizeof folder, "%s/s", run_folder);
    s->folder = strdup(folder);
    s->changed = changed;
    s->trust = trust;
    s->arg = arg;
    s->watch = -1;
    s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    s->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&s->looking, NULL);
    pthread_mutex_init(&s->lock, NULL);
    if (s->folder && s->inotify >= 0 && s->stop >= 0 &&
        pthread_create(&s->thread, NULL, run, s) == 0) {
        s->running = true;
        return s;
    }
    err_errno(e, 0, "the sessions in %s cannot be watched", folder);
    sessions_free(s);
    return NULL;
}

void sessions_free(struct sessions *s) {
    if (!s)
        return;
    uint64_t one = 1;
    if (s->running && write(s->stop, &one, sizeof one) == sizeof one)
        pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->count; i++)
        session_fini(&s->list[i].one);
    if (s->inotify >= 0)
        close(s->inotify);
    if (s->stop >= 0)
        close(s->stop);
    pthread_mutex_destroy(&s->looking);
    pthread_mutex_destroy(&s->lock);
    free(s->list);
    free(s->folder);
    free(s);
}
