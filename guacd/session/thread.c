/* The backend's thread: open, run, close. Its last words go to the wire thread, which lets go of
 * the picture before close() may take it away. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "guacd/base/log.h"
#include "guacd/proto/status.h"
#include "guacd/session/record.h"
#include "guacd/session/session.h"

#define STACK_BYTES (512u << 10) /* only what is touched counts */

/* Wire thread: the target is gone; what it drew last is shown before that is said. */
static void on_done(void *arg) {
    struct session *s = arg;
    s->backend_done = true;
    if (!s->ending && !s->paused)
        frames_final(s);
    record_shown(s);
    s->picture = NULL;
    pthread_mutex_lock(&s->gate);
    s->picture_free = true;
    pthread_cond_signal(&s->gate_changed);
    pthread_mutex_unlock(&s->gate);
    if (s->backend_err.status)
        life_end(s, s->backend_err.status, "%s", s->backend_err.text);
    else
        life_end(s, STATUS_SUCCESS, "the target ended");
    life_check_end(s);
}

static void *main_of_backend(void *arg) {
    struct session *s = arg;
    prctl(PR_SET_NAME, s->backend->name);
    struct err e = { 0 };
    int r = s->backend->open(s, s->state, s->args, &e);
    args_wipe_secrets(s->args);
    if (r == 0)
        r = s->backend->run(s, s->state, &e);
    if (r < 0) {
        s->backend_err = e;
        if (!s->backend_err.status)
            s->backend_err.status = STATUS_SERVER_ERROR;
        log_warning("%s: %s", s->backend->name, s->backend_err.text);
    }
    loop_post(s->loop, on_done, s);
    pthread_mutex_lock(&s->gate);
    while (!s->picture_free)
        pthread_cond_wait(&s->gate_changed, &s->gate);
    pthread_mutex_unlock(&s->gate);
    s->backend->close(s, s->state);
    return NULL;
}

int thread_start(struct session *s, struct err *e) {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int r = pthread_create(&s->thread, &attr, main_of_backend, s);
    pthread_attr_destroy(&attr);
    if (r)
        return err_set(e, STATUS_SERVER_BUSY, "no thread for the backend");
    s->thread_runs = true;
    return 0;
}
