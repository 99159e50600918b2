/* After a restart: the spool is read, each session's chains stand where they stood, what was not
 * stored is sent again byte by byte, and whoever still lives is asked for its tap. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/enc.h"
#include "guacd/base/json.h"
#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"
#include "recording/file.h"
#include "recording/recorder/record.h"
#include "recording/recorder/session_impl.h"

#define LOG_MAX ((size_t)128 << 20) /* a log and the largest lot written to it at once */

/* ---- the state ------------------------------------------------------------------------------ */

static int read_key(struct session *s, const json_t *o, struct err *e) {
    const char *text = json_str(o, "key", NULL);
    uint8_t box[VAULT_BOX + 2];
    if (!text)
        return 0; /* sealing: nothing is left to sign */
    if (strlen(text) != BASE64_LEN(VAULT_BOX) ||
        base64_decode(text, BASE64_LEN(VAULT_BOX), box) != VAULT_BOX)
        return err_set(e, 0, "its key is damaged");
    s->key = vault_open(&s->r->vault, s->id, box, e);
    return s->key ? 0 : -1;
}

static void read_end(struct session *s, const json_t *o) {
    static const char *const states[] = { "closed", "interrupted", "refused" };
    const char *state = json_str(o, "state", "");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(state, states[i]) == 0)
            s->end_state = states[i];
    s->end.status = (int)json_num(o, "status", STATUS_SERVER_ERROR);
    snprintf(s->end.reason, sizeof s->end.reason, "%s", json_str(o, "reason", ""));
    s->end_ms = (uint64_t)json_num(o, "at", 0);
}

static int read_open(struct session *s, const json_t *o, struct err *e) {
    const json_t *open = json_object_get(o, "open");
    const char *hash = json_str(open, "sha256", ""), *envelope = json_str(o, "envelope", "");
    uint8_t bytes[32];
    s->open_size = (uint64_t)json_num(open, "size", 0);
    snprintf(s->open_version, sizeof s->open_version, "%s", json_str(open, "versionId", ""));
    if (*envelope)
        return buf_puts(&s->envelope, envelope);
    if (strlen(hash) != 64)
        return err_set(e, 0, "its open record is missing");
    memcpy(s->open_sha256, hash, HASH_HEX);
    return list_hash_bytes(s->open_sha256, bytes) ? 0 : err_set(e, 0, "its open record is damaged");
}

static int read_state(struct session *s, const json_t *o, struct err *e) {
    const char *prefix = json_str(o, "prefix", ""), *state = json_str(o, "state", "");
    struct name_prefix p;
    if (!name_prefix_parse(prefix, &p) || strcmp(p.session, s->id) != 0)
        return err_set(e, 0, "its state is damaged");
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    snprintf(s->keys, sizeof s->keys, "%s", json_str(o, "keys", ""));
    s->start = (uint64_t)json_num(o, "start", 0);
    s->retain_until = (uint64_t)json_num(o, "retainUntil", 0);
    if (read_key(s, o, e) < 0 || read_open(s, o, e) < 0)
        return -1;
    const json_t *place = json_object_get(o, "log");
    s->log_from = (uint64_t)MAX_OF(json_num(place, "from", 0), (int64_t)0);
    s->place.index = (uint64_t)json_num(place, "index", -1);
    read_end(s, json_object_get(o, "end"));
    s->state = strcmp(state, "opening") == 0   ? S_OPENING
               : strcmp(state, "sealing") == 0 ? S_SEALING
                                               : S_LIVE;
    if (s->state == S_SEALING) {
        s->predicate = json_incref(json_object_get(o, "predicate"));
        return json_is_object(s->predicate) ? 0 : err_set(e, 0, "its predicate is missing");
    }
    return s->key ? 0 : err_set(e, 0, "its key is missing");
}

/* ---- the list ------------------------------------------------------------------------------- */

/* What a chain looks like behind this chunk. */
static void chain_behind(struct session *s, const struct list_entry *entry) {
    struct chain *c = &s->chains[entry->kind];
    struct name n;
    if (entry->i < c->next_i)
        return;
    name_parse(entry->name, strlen(entry->name), &n);
    c->next_i = entry->i + 1;
    c->offset = entry->kind == CHAIN_KEYFRAME ? 0 : entry->offset + entry->raw;
    c->covered = entry->seq1;
    c->last_start = n.start;
    memcpy(c->prev, entry->head, HASH_HEX);
    s->last_ms = MAX_OF(s->last_ms, entry->t1);
    s->seq = MAX_OF(s->seq, entry->seq1);
}

/* The names in the list, to be asked for each object of the logs. */
struct known {
    char (*names)[NAME_SIZE];
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

static bool is_known(const struct known *k, const char *name) {
    return k->count && bsearch(name, k->names, k->count, NAME_SIZE, by_name);
}

/* A last line that a crash cut is taken off: its object is in a log still. */
static int read_list(struct session *s, struct known *known, struct err *e) {
    struct buf b __attribute__((cleanup(buf_fini)));
    char name[UUID_LEN + 8];
    int folder = spooler_folder(s->r->spooler);
    buf_init(&b, LIST_MAX);
    snprintf(name, sizeof name, "%s.list", s->id);
    if (file_read_at(folder, name, &b, e) < 0)
        return errno == ENOENT ? 0 : -1;
    size_t whole = 0;
    for (const char *newline; (newline = memchr(b.data + whole, '\n', b.len - whole));) {
        struct list_entry entry;
        if (list_entry_parse(b.data + whole, (size_t)(newline - b.data) - whole, &entry, e) < 0)
            return -1;
        if (known->count % 1024 == 0) {
            void *more = realloc(known->names, (known->count + 1024) * NAME_SIZE);
            if (!more)
                return err_set(e, 0, "no memory");
            known->names = more;
        }
        memcpy(known->names[known->count++], entry.name, NAME_SIZE);
        chain_behind(s, &entry);
        s->bytes += entry.raw;
        whole = (size_t)(newline - b.data) + 1;
    }
    if (known->count)
        qsort(known->names, known->count, NAME_SIZE, by_name);
    s->list_lines = s->list_durable = known->count;
    spool_set_lines(s->spool, known->count);
    if (whole == b.len)
        return 0;
    _close_ int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && ftruncate(fd, (off_t)whole) == 0 ? 0 : err_errno(e, 0, "%s", name);
}

/* ---- the logs ------------------------------------------------------------------------------- */

struct logs {
    uint32_t *k;
    size_t count;
};

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int find_logs(struct session *s, struct logs *logs, struct err *e) {
    int fd = openat(spooler_folder(s->r->spooler), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return err_errno(e, 0, "spool");
    int r = 0;
    for (struct dirent *d; r == 0 && (d = readdir(dir));) {
        unsigned k;
        char expected[UUID_LEN + 24];
        if (strncmp(d->d_name, s->id, UUID_LEN) != 0 ||
            sscanf(d->d_name + UUID_LEN, ".%8u.log", &k) != 1)
            continue;
        snprintf(expected, sizeof expected, "%s.%08u.log", s->id, k);
        if (strcmp(expected, d->d_name) != 0)
            continue;
        uint32_t *more = realloc(logs->k, (logs->count + 1) * sizeof *more);
        if (more) {
            logs->k = more;
            logs->k[logs->count++] = k;
        } else {
            r = err_set(e, 0, "no memory");
        }
    }
    closedir(dir);
    if (logs->count)
        qsort(logs->k, logs->count, sizeof *logs->k, by_number);
    return r;
}

static int read_log(struct session *s, uint32_t k, struct buf *out, struct err *e) {
    char name[UUID_LEN + 24];
    snprintf(name, sizeof name, "%s.%08u.log", s->id, k);
    buf_clear(out);
    return file_read_at(spooler_folder(s->r->spooler), name, out, e);
}

/* Cut what a crash left half written. */
static int cut_log(struct session *s, uint32_t k, size_t whole, struct err *e) {
    char name[UUID_LEN + 24];
    snprintf(name, sizeof name, "%s.%08u.log", s->id, k);
    _close_ int fd = openat(spooler_folder(s->r->spooler), name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)whole) < 0 || fdatasync(fd) < 0)
        return err_errno(e, 0, "%s", name);
    log_warning("session %s: the end of its spool was cut, %zu bytes are whole", s->id, whole);
    return 0;
}

static int take_object(struct session *s, const struct record *rec, const struct known *known) {
    bool stored = is_known(known, rec->entry.name);
    chain_behind(s, &rec->entry);
    if (stored) {
        s->object_count++;
        return 0;
    }
    struct object *o = session_object_add(s);
    if (!o || buf_add(&o->data, rec->data.data, rec->data.len) < 0)
        return -1;
    o->entry = rec->entry;
    o->seq0 = rec->entry.seq0;
    o->h.kind = rec->entry.kind;
    o->stage = READY;
    o->first_us = clock_us();
    session_hold(s, (int64_t)o->data.len);
    s->bytes += rec->entry.raw;
    return 0;
}

/* First all objects, and where each log ends: only then it is known which frames are in none. */
static int scan_log(struct session *s, uint32_t k, struct buf *b, const struct known *known,
                    struct err *e) {
    const uint8_t *p = (const uint8_t *)b->data;
    size_t at = 0, used;
    uint64_t last_seq = 0;
    struct record rec;
    while (record_parse(p + at, b->len - at, &rec, &used) == RECORD_OK) {
        if (rec.type == RECORD_OBJECT && take_object(s, &rec, known) < 0)
            return err_set(e, 0, "no memory");
        if (rec.type == RECORD_FRAME)
            last_seq = rec.frame.sequence;
        at += used;
    }
    if (at < b->len && cut_log(s, k, at, e) < 0)
        return -1;
    spool_add_log(s->spool, k, at, last_seq, s->object_count);
    return 0;
}

static int take_frames(struct session *s, const struct buf *b, struct err *e) {
    const uint8_t *p = (const uint8_t *)b->data;
    size_t at = 0, used;
    struct record rec;
    for (; record_parse(p + at, b->len - at, &rec, &used) == RECORD_OK; at += used) {
        struct frame f = { .h = rec.frame, .data = (const uint8_t *)rec.data.data };
        if (rec.type != RECORD_FRAME)
            continue;
        s->seq = MAX_OF(s->seq, f.h.sequence);
        if (f.h.sequence <= s->chains[frame_chain(f.h.type)].covered) {
            session_frame_again(s, &f);
            continue;
        }
        s->bytes += f.h.length;
        if (session_frame(s, &f) < 0)
            return err_set(e, 0, "no memory");
    }
    return 0;
}

/* One that only waits for its seal needs nothing of them but to be rid of them. */
static int count_logs(struct session *s, struct err *e) {
    struct logs logs = { 0 };
    int r = find_logs(s, &logs, e);
    for (size_t i = 0; r == 0 && i < logs.count; i++)
        spool_add_log(s->spool, logs.k[i], 0, 0, 0);
    free(logs.k);
    return r;
}

static int read_logs(struct session *s, const struct known *known, struct err *e) {
    struct logs logs = { 0 };
    struct buf b __attribute__((cleanup(buf_fini)));
    buf_init(&b, LOG_MAX);
    int r = find_logs(s, &logs, e);
    for (size_t i = 0; r == 0 && i < logs.count; i++)
        if ((r = read_log(s, logs.k[i], &b, e)) == 0)
            r = scan_log(s, logs.k[i], &b, known, e);
    for (size_t i = 0; r == 0 && i < logs.count; i++)
        if ((r = read_log(s, logs.k[i], &b, e)) == 0)
            r = take_frames(s, &b, e);
    free(logs.k);
    return r;
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void go_on(struct session *s) {
    s->spooled = s->seq;
    s->resumed = true;
    if (s->state == S_OPENING) {
        s->in_doubt = true;
        return; /* as soon as it is known to be ours */
    }
    if (s->state == S_SEALING) {
        session_ask_seal(s);
        return;
    }
    session_dispatch(s);
    if (s->state != S_LIVE) {
        session_check_end(s);
    } else if (s->end_state) {
        struct frame_end end = s->end;
        uint64_t at = s->end_ms;
        session_finish(s, s->end_state, end.status, end.reason);
        s->end_ms = at;
    } else {
        s->reconnect_until_ms = clock_ms() + RECONNECT_MS;
        session_reconnect(s);
    }
}

static int resume(struct recorder *r, const char *id, struct err *e) {
    char name[UUID_LEN + 8];
    struct buf b __attribute__((cleanup(buf_fini)));
    struct known known = { 0 };
    buf_init(&b, 2 * DSSE_MAX);
    snprintf(name, sizeof name, "%s.json", id);
    if (file_read_at(spooler_folder(r->spooler), name, &b, e) < 0)
        return -1;
    _json_ json_t *o = json_parse(buf_str(&b), b.len, b.max, e);
    if (strcmp(json_str(json_object_get(o, "end"), "state", ""), "lost") == 0) {
        metric_add(&r->metrics.kept, 1);
        log_warning("session %s: sealed by another recorder; what it has not is still in the spool",
                    id);
        return 0;
    }
    struct session *s = o ? session_alloc(r, id) : NULL;
    if (!s)
        return -1;
    int result = session_add_spool(s) < 0 ? err_set(e, 0, "no memory") : read_state(s, o, e);
    if (result == 0 && s->state == S_LIVE) {
        for (int k = 0; k < CHAIN_KINDS; k++)
            memcpy(s->chains[k].prev, s->open_sha256, HASH_HEX);
        result = read_list(s, &known, e);
        if (result == 0)
            result = read_logs(s, &known, e);
    } else if (result == 0) { /* asked before: frames may end it while they are read */
        result = count_logs(s, e);
    }
    free(known.names);
    if (result < 0) {
        session_gone(s);
        return -1;
    }
    log_info("session %s: taken up again, %s, frame %llu", s->id,
             s->state == S_LIVE && s->end_state ? "ended" : json_str(o, "state", ""),
             (unsigned long long)s->seq);
    go_on(s);
    return 0;
}

/* One that cannot be read harms no other; it stays in the spool for somebody to look at. */
int session_resume_all(struct recorder *r, struct err *e) {
    int fd = openat(spooler_folder(r->spooler), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return err_errno(e, 0, "spool");
    for (struct dirent *d; (d = readdir(dir));) {
        char id[UUID_LEN + 1];
        struct err why = { 0 };
        snprintf(id, sizeof id, "%.*s", UUID_LEN, d->d_name);
        if (!uuid_valid(id, strlen(id)) || strcmp(d->d_name + UUID_LEN, ".json") != 0)
            continue;
        if (resume(r, id, &why) < 0) {
            metric_add(&r->metrics.kept, 1);
            log_error("session %s: cannot be taken up again, its spool stays: %s", id, why.text);
        }
    }
    closedir(dir);
    return 0;
}
