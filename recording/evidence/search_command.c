/* guac-evidence search: each hit a line, the newest session first. The index is a cache of its own:
 * in memory, or below --index, where one search at a time may use it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guacd/base/clock.h"
#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "recording/evidence/evidence.h"
#include "recording/evidence/print.h"
#include "recording/evidence/progress.h"
#include "recording/evidence/search.h"

static void print_hit(const json_t *h) {
    char when[32];
    clock_format((uint64_t)(json_num(h, "started", 0) + json_num(h, "t", 0)), when, sizeof when);
    printf("%s  %s  %8.3f s  ", json_str(h, "id", ""), when, (double)json_num(h, "t", 0) / 1000);
    print_clean(json_str(h, "kind", ""), 6);
    print_clean(json_str(json_object_get(h, "person"), "name", ""), 17);
    print_clean(json_str(h, "text", ""), 0);
    putchar('\n');
}

/* Page after page, until there is no next one. */
static int print_hits(struct search *s, json_t *question, bool json, struct err *e) {
    const char *next = "";
    do {
        size_t i;
        json_t *h;
        _json_ json_t *page = search_run(s, question, e);
        if (!page)
            return -1;
        json_array_foreach(json_object_get(page, "hits"), i, h) {
            if (!json)
                print_hit(h);
            else if (print_json(h, e) < 0)
                return -1;
        }
        next = json_str(page, "next", "");
        json_object_set_new(question, "after", json_string(next));
        next = json_str(question, "after", "");
    } while (*next);
    return 0;
}

/* The path of the index in `path` ("": in memory), and a lock on it for as long as we live. */
static int cache(const char *folder, char path[PATH_MAX], struct err *e) {
    char lock[PATH_MAX];
    path[0] = '\0';
    if (!folder)
        return 0;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return err_errno(e, 0, "index: %s", folder);
    if (snprintf(path, PATH_MAX, "%s/search-command.sqlite", folder) >= PATH_MAX - 1 ||
        snprintf(lock, sizeof lock, "%s/search-command.lock", folder) >= PATH_MAX - 1)
        return err_set(e, 0, "index: the folder's name is too long");
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(e, 0, "index: %s", lock);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return err_set(e, 0, "index: another search uses %s; wait, or leave --index out", folder);
    }
    return 0; /* the lock goes with the process */
}

static json_t *ask(const struct evidence *v, char **words, size_t count, struct err *e) {
    uint64_t from = 0, to = 0;
    struct buf query __attribute__((cleanup(buf_fini)));
    buf_init(&query, 65536);
    for (size_t i = 0; i < count; i++)
        if (buf_printf(&query, "%s%s", i ? " " : "", words[i]) < 0) {
            err_set(e, 0, "search: too many words");
            return NULL;
        }
    if (evidence_time(v->config->from, "from", &from, e) < 0 ||
        evidence_time(v->config->to, "to", &to, e) < 0)
        return NULL;
    json_t *o = json_pack("{s:s, s:i, s:{s:I, s:I}}", "query", buf_str(&query), "limit",
                          SEARCH_LIMIT, "filter", "from", (json_int_t)from, "to", (json_int_t)to);
    if (!o)
        err_set(e, 0, "search: the words are not UTF-8");
    return o;
}

int command_search(struct evidence *v, char **words, size_t count, struct err *e) {
    char path[PATH_MAX];
    struct progress bar;
    if (count == 0) {
        err_set(e, 0, "search for what? Words, \"a phrase\", -not, begin*");
        return 2;
    }
    _json_ json_t *question = ask(v, words, count, e);
    struct search *s = question && cache(v->config->index, path, e) == 0
                           ? search_new(path, v->target, v->config->buckets, e)
                           : NULL;
    progress_init(&bar, !v->config->json);
    int r = s ? search_fill(s, progress_tell, &bar, e) : -1;
    progress_done(&bar);
    if (r == 0)
        r = print_hits(s, question, v->config->json, e);
    search_free(s);
    return r < 0 ? 2 : 0;
}
