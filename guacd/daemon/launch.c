/* argv, environment and descriptors of a guacd-session: exactly these, whatever guacd has itself.
 */
#include "guacd/daemon/launch.h"

#include <stdio.h>

#include "guacd/base/buf.h"
#include "guacd/base/spawn.h"
#include "guacd/base/util.h"
#include "guacd/daemon/child.h"
#include "guacd/daemon/tls.h"

#define WORDS_MAX 8192

/* The words of one list, back to back, and where each begins. */
struct words {
    struct buf text;
    size_t at[CHILD_ARGC], count;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    w->at[w->count++] = w->text.len;
    buf_vprintf(&w->text, fmt, ap);
    va_end(ap);
    buf_putc(&w->text, '\0');
}

static const char *yes(bool b) {
    return b ? "true" : "false";
}

static void add_arguments(struct words *w, const struct options *o, const char *run, bool tls) {
    add(w, "guacd-session");
    add(w, "--mode=%s", o->socket ? "gateway" : "stock");
    add(w, "--tls=%s", yes(tls));
    add(w, "--run=%s", run);
    add(w, "--trusted-uids=%s", o->trusted_uids);
    add(w, "--log-level=%s", o->log_level);
    add(w, "--backends=%s", o->backends);
    add(w, "--allow-no-seccomp=%s", yes(o->allow_no_seccomp));
    add(w, "--denylist-only=%s", yes(o->denylist_only));
    add(w, "--sandbox-trap=%s", yes(o->sandbox_trap));
}

/* Passed on as they are; libraries obey many more, which is why the rest stays behind. */
static void add_environment(struct words *w) {
    static const char *const kept[] = {
        "TZ",           "JOURNAL_STREAM",
#ifdef GUAC_SANITIZER
        "ASAN_OPTIONS", "UBSAN_OPTIONS",  "TSAN_OPTIONS", "LSAN_OPTIONS",
#endif
    };
    add(w, "LANG=C.UTF-8");
    add(w, "HOME=/nonexistent");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const char *value = getenv(kept[i]);
        if (value && strlen(value) < 512)
            add(w, "%s=%s", kept[i], value);
    }
}

static void point(const struct words *w, char *out[CHILD_ARGC + 1]) {
    for (size_t i = 0; i < w->count; i++)
        out[i] = w->text.data + w->at[i];
    out[w->count] = NULL;
}

pid_t launch(const struct options *o, const char *run, const struct secret *tls, int client,
             int channel, struct err *e) {
    struct words words = { 0 }, env = { 0 };
    buf_init(&words.text, WORDS_MAX);
    buf_init(&env.text, WORDS_MAX);
    add_arguments(&words, o, run, tls != NULL);
    add_environment(&env);
    pid_t pid = -1;
    _close_ int pem = tls ? tls_pipe(tls, e) : -1;
    if (words.text.failed || env.text.failed) {
        err_set(e, 0, "the options of guacd-session are too long");
    } else if (!tls || pem >= 0) {
        char *argv[CHILD_ARGC + 1], *envp[CHILD_ARGC + 1];
        point(&words, argv);
        point(&env, envp);
        const struct spawn_fd fds[] = { { client, CHILD_FD_CLIENT },
                                        { channel, CHILD_FD_CHANNEL },
                                        { pem, CHILD_FD_TLS } };
        pid = spawn_process(o->session_program, argv, envp, fds, tls ? 3 : 2, e);
    }
    buf_fini(&words.text);
    buf_fini(&env.text);
    return pid;
}
