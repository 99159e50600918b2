/* What the loop gives to the spool: bytes and tasks, gathered under a lock until the next round. */
#include <stdlib.h>
#include <string.h>

#include "guacd/base/util.h"
#include "recording/recorder/record.h"
#include "recording/recorder/spool_impl.h"

#define PENDING_MAX (96u << 20) /* more than a session may ever hold */
#define LIST_PENDING_MAX (64u << 20)
#define HURRY_BYTES (1u << 20) /* as much is not kept waiting for a round */

struct spool *spool_new(struct spooler *p, const char *id, const struct spool_events *events,
                        void *arg) {
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->owner = p;
    s->events = events;
    s->arg = arg;
    s->tasks_end = &s->tasks;
    atomic_init(&s->refs, 1);
    spool_disk_init(&s->disk, p->folder, id, &p->bytes);
    buf_init(&s->log, PENDING_MAX);
    buf_init(&s->out_log, PENDING_MAX);
    buf_init(&s->list, LIST_PENDING_MAX);
    buf_init(&s->out_list, LIST_PENDING_MAX);
    return s;
}

void spool_add_log(struct spool *s, uint32_t k, uint64_t bytes, uint64_t last_seq,
                   uint64_t last_object) {
    spool_disk_add(&s->disk,
                   (struct spool_log){
                       .k = k, .bytes = bytes, .last_seq = last_seq, .last_object = last_object });
    s->seq = MAX_OF(s->seq, last_seq);
    s->objects = MAX_OF(s->objects, last_object);
}

void spool_set_lines(struct spool *s, uint64_t lines) {
    s->lines = lines;
}

void spool_free(struct spool *s) {
    if (!s)
        return;
    s->events = NULL;
    spool_unref(s);
}

size_t spool_pending(const struct spool *s) {
    return atomic_load(&s->unwritten);
}

static int done(struct spool *s, int result, size_t before) {
    if (result == 0) {
        atomic_fetch_add(&s->unwritten, s->log.len - before);
        spool_enqueue(s);
        if (s->log.len > HURRY_BYTES && !s->owner->hurry) {
            s->owner->hurry = true;
            pthread_cond_signal(&s->owner->wake);
        }
    }
    pthread_mutex_unlock(&s->owner->lock);
    return result;
}

int spool_frame(struct spool *s, const struct tap_header *h, const void *data) {
    pthread_mutex_lock(&s->owner->lock);
    size_t before = s->log.len;
    int r = record_add_frame(&s->log, h, data);
    if (r == 0)
        s->seq = h->sequence;
    return done(s, r, before);
}

int spool_object(struct spool *s, uint64_t number, const struct list_entry *entry,
                 const void *object, size_t len) {
    pthread_mutex_lock(&s->owner->lock);
    size_t before = s->log.len;
    int r = record_add_object(&s->log, entry, object, len);
    if (r == 0)
        s->objects = number;
    return done(s, r, before);
}

int spool_stored(struct spool *s, const struct list_entry *entry, uint64_t acked,
                 uint64_t objects) {
    pthread_mutex_lock(&s->owner->lock);
    int r = entry ? list_entry_write(entry, &s->list) : 0;
    if (r == 0)
        s->lines += entry != NULL;
    s->acked = MAX_OF(s->acked, acked);
    s->stored = MAX_OF(s->stored, objects);
    return done(s, r, s->log.len);
}

static uint64_t add_task(struct spool *s, enum task_kind kind, const void *data, size_t len) {
    struct task *t = calloc(1, sizeof *t + len);
    if (!t)
        return 0;
    t->kind = kind;
    t->len = len;
    if (len)
        memcpy(t->data, data, len);
    pthread_mutex_lock(&s->owner->lock);
    *s->tasks_end = t;
    s->tasks_end = &t->next;
    uint64_t number = ++s->files;
    s->owner->hurry = true; /* somebody waits for a session to begin or to end */
    pthread_cond_signal(&s->owner->wake);
    done(s, 0, s->log.len);
    return number;
}

uint64_t spool_state(struct spool *s, const void *data, size_t len) {
    return add_task(s, TASK_STATE, data, len);
}

uint64_t spool_remove(struct spool *s) {
    return add_task(s, TASK_REMOVE, NULL, 0);
}
