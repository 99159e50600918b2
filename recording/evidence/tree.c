/* The walk, and the sorted array it fills. */
#include "recording/evidence/tree.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guacd/base/clock.h"
#include "guacd/base/util.h"

#define FULL_MS 600000u
#define QUICK_MS 2000u
#define DAY_MS 86400000u
#define BUCKETS_MAX 16
#define CONNECTIONS_MAX 20000u

struct entry {
    char id[UUID_LEN + 1];
    bool final;
    char *prefix, *summary;
};

struct tree {
    char buckets[BUCKETS_MAX][64];
    size_t bucket_count;
    bool all_buckets;

    pthread_mutex_t walking; /* one walks at a time */
    uint64_t full_ms, quick_ms;

    pthread_mutex_t lock; /* guards what follows */
    struct entry *list;   /* by id, newest first */
    size_t count;
};

/* ---- names of a level ----------------------------------------------------------------------- */

struct names {
    char **list;
    size_t count, cap, skip;
    bool failed;
};

static void names_fini(struct names *n) {
    for (size_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
}

static int add_name(struct names *n, const char *name, size_t len) {
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 16;
        char **more = realloc(n->list, cap * sizeof *more);
        if (!more)
            return -1;
        n->list = more;
        n->cap = cap;
    }
    n->list[n->count] = strndup(name, len);
    return n->list[n->count] ? (n->count++, 0) : -1;
}

static int on_folder(void *arg, const struct store_entry *entry) {
    struct names *n = arg;
    size_t len = strlen(entry->key);
    if (!entry->folder || len < n->skip + 2)
        return 0;
    if (n->count >= TREE_MAX || add_name(n, entry->key, len - 1) < 0)
        n->failed = true;
    return n->failed;
}

/* Whole keys of the folders in `folder`. */
static int folders(struct store *s, const char *folder, struct names *out, struct err *e) {
    out->skip = strlen(folder);
    if (store_list(s, folder, on_folder, out, e) != STORE_OK)
        return -1;
    return out->failed ? err_set(e, 0, "%s holds too much", folder) : 0;
}

/* ---- the walk ------------------------------------------------------------------------------- */

struct walk {
    struct store *store;
    struct names found; /* prefixes */
    struct err *e;
};

static int descend(struct walk *w, const char *folder, int levels) {
    struct names names __attribute__((cleanup(names_fini))) = { 0 };
    if (folders(w->store, folder, &names, w->e) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        const char *key = names.list[i];
        struct name_prefix p;
        if (levels > 1) {
            if (name_key_valid(key) && strlen(key) < NAME_PREFIX_SIZE &&
                descend(w, key, levels - 1) < 0)
                return -1;
        } else if (name_prefix_parse(key, &p) && w->found.count < 4 * TREE_MAX &&
                   add_name(&w->found, key, strlen(key)) < 0) {
            return err_set(w->e, 0, "no memory");
        }
    }
    return 0;
}

/* Yesterday and today of each connection: sessions come nowhere else. */
static int recent(struct walk *w, const char *bucket, uint64_t now_ms) {
    struct names spaces __attribute__((cleanup(names_fini))) = { 0 };
    if (folders(w->store, bucket, &spaces, w->e) < 0)
        return -1;
    for (size_t i = 0; i < spaces.count; i++) {
        struct names connections __attribute__((cleanup(names_fini))) = { 0 };
        if (!name_key_valid(spaces.list[i]))
            continue; /* nothing of ours is called like that */
        if (folders(w->store, spaces.list[i], &connections, w->e) < 0)
            return -1;
        for (size_t k = 0; k < connections.count && k < CONNECTIONS_MAX; k++)
            for (int back = 1; back >= 0; back--) {
                char day[NAME_KEY_SIZE];
                time_t t = (time_t)((now_ms - (uint64_t)back * DAY_MS) / 1000);
                struct tm tm;
                gmtime_r(&t, &tm);
                snprintf(day, sizeof day, "%.*s/%04d/%02d/%02d", NAME_PREFIX_SIZE - 60,
                         connections.list[k], tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
                if (name_key_valid(day) && descend(w, day, 1) < 0)
                    return -1;
            }
    }
    return 0;
}

static int walk_all(struct tree *t, struct walk *w, bool full, uint64_t now_ms) {
    struct names names __attribute__((cleanup(names_fini))) = { 0 };
    if (t->all_buckets) {
        if (folders(w->store, "", &names, w->e) < 0)
            return -1;
    } else {
        for (size_t i = 0; i < t->bucket_count; i++)
            if (add_name(&names, t->buckets[i], strlen(t->buckets[i])) < 0)
                return err_set(w->e, 0, "no memory");
    }
    for (size_t i = 0; i < names.count; i++) {
        if (!name_bucket_valid(names.list[i], strlen(names.list[i])))
            continue;
        if ((full ? descend(w, names.list[i], 6) : recent(w, names.list[i], now_ms)) < 0)
            return -1;
    }
    return 0;
}

/* ---- the array ------------------------------------------------------------------------------ */

static int newest_first(const void *a, const void *b) {
    return strcmp(((const struct entry *)b)->id, ((const struct entry *)a)->id);
}

static struct entry *find(const struct tree *t, const char *id) {
    struct entry key;
    snprintf(key.id, sizeof key.id, "%s", id);
    return t->count ? bsearch(&key, t->list, t->count, sizeof key, newest_first) : NULL;
}

static void entry_fini(struct entry *x) {
    free(x->prefix);
    free(x->summary);
}

/* What was found joins what there is, or replaces it; what is known of a recording stays. */
static int merge(struct tree *t, struct names *found, bool replace, struct err *e) {
    size_t room = found->count + (replace ? 0 : t->count), n = 0;
    struct entry *list = calloc(room ? room : 1, sizeof *list);
    if (!list)
        return err_set(e, 0, "no memory");
    for (size_t i = 0; i < found->count; i++) {
        const char *prefix = found->list[i];
        struct entry *old, x = { 0 };
        snprintf(x.id, sizeof x.id, "%s", prefix + strlen(prefix) - UUID_LEN);
        old = find(t, x.id);
        if (old && !replace)
            continue;
        if (old) {
            x.summary = steal_ptr(old->summary);
            x.final = old->final;
        }
        x.prefix = steal_ptr(found->list[i]);
        list[n++] = x;
    }
    if (n == 0 && !replace) {
        free(list);
        return 0;
    }
    for (size_t i = 0; i < t->count; i++)
        if (replace)
            entry_fini(&t->list[i]);
        else
            list[n++] = t->list[i];
    qsort(list, n, sizeof *list, newest_first);
    while (n > TREE_MAX)
        entry_fini(&list[--n]);
    free(t->list);
    t->list = list;
    t->count = n;
    return 0;
}

int tree_refresh(struct tree *t, struct store *s, bool always, struct err *e) {
    struct walk w = { .store = s, .e = e };
    /* While another one looks, what is known serves. */
    if (pthread_mutex_trylock(&t->walking) != 0) {
        if (tree_count(t) > 0 && !always)
            return 0;
        pthread_mutex_lock(&t->walking);
    }
    uint64_t now = clock_ms();
    bool full = t->full_ms == 0 || now - t->full_ms > FULL_MS, quick = now - t->quick_ms > QUICK_MS;
    int r = 0;
    if (full || quick || always) {
        r = walk_all(t, &w, full, clock_wall_ms());
        if (r == 0) {
            pthread_mutex_lock(&t->lock);
            r = merge(t, &w.found, full, e);
            pthread_mutex_unlock(&t->lock);
        }
        if (r == 0)
            t->quick_ms = now;
        if (r == 0 && full)
            t->full_ms = now;
    }
    pthread_mutex_unlock(&t->walking);
    /* merge() took some names, and left NULL: free() is fine with it. */
    names_fini(&w.found);
    return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool of_connection(const char *prefix, const char *connection) {
    struct name_prefix p;
    const char *slash = strchr(connection, '/');
    if (!name_prefix_parse(prefix, &p))
        return false;
    if (!slash)
        return strcmp(p.connection, connection) == 0;
    return strlen(p.namespace) == (size_t)(slash - connection) &&
           strncmp(p.namespace, connection, (size_t)(slash - connection)) == 0 &&
           strcmp(p.connection, slash + 1) == 0;
}

size_t tree_page(struct tree *t, const char *after, const struct tree_filter *f,
                 struct tree_entry *out, size_t max) {
    size_t n = 0;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count && n < max; i++) {
        const struct entry *x = &t->list[i];
        uint64_t ms = uuid_v7_ms(x->id);
        if ((*after && strcmp(x->id, after) >= 0) || (f->from_ms && ms && ms < f->from_ms) ||
            (f->to_ms && ms > f->to_ms) ||
            (f->connection && !of_connection(x->prefix, f->connection)))
            continue;
        memcpy(out[n].id, x->id, sizeof x->id);
        snprintf(out[n].prefix, sizeof out[n].prefix, "%s", x->prefix);
        out[n].summary = x->summary ? strdup(x->summary) : NULL;
        out[n].final = x->final && out[n].summary;
        n++;
    }
    pthread_mutex_unlock(&t->lock);
    return n;
}

bool tree_find(struct tree *t, const char *id, char prefix[NAME_PREFIX_SIZE]) {
    pthread_mutex_lock(&t->lock);
    const struct entry *x = find(t, id);
    if (x)
        snprintf(prefix, NAME_PREFIX_SIZE, "%s", x->prefix);
    pthread_mutex_unlock(&t->lock);
    return x != NULL;
}

void tree_keep(struct tree *t, const char *id, const char *summary, bool final) {
    char *copy = strdup(summary);
    pthread_mutex_lock(&t->lock);
    struct entry *x = copy ? find(t, id) : NULL;
    if (x) {
        free(x->summary);
        x->summary = steal_ptr(copy);
        x->final = final;
    }
    pthread_mutex_unlock(&t->lock);
    free(copy);
}

size_t tree_count(struct tree *t) {
    pthread_mutex_lock(&t->lock);
    size_t n = t->count;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int add_bucket(const char *item, void *arg) {
    struct tree *t = arg;
    if (t->bucket_count == BUCKETS_MAX || !name_bucket_valid(item, strlen(item)))
        return -1;
    snprintf(t->buckets[t->bucket_count++], sizeof t->buckets[0], "%s", item);
    return 0;
}

struct tree *tree_new(const char *buckets, bool folder, struct err *e) {
    struct tree *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    if (conf_each(buckets, add_bucket, t) != 0) {
        free(t);
        err_set(e, 0, "buckets: at most %d names of 3 to 63 of a-z 0-9 . -", BUCKETS_MAX);
        return NULL;
    }
    t->all_buckets = t->bucket_count == 0 && folder;
    if (t->bucket_count == 0)
        add_bucket("guacamole-recordings", t);
    pthread_mutex_init(&t->walking, NULL);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void tree_free(struct tree *t) {
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        entry_fini(&t->list[i]);
    free(t->list);
    pthread_mutex_destroy(&t->walking);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
