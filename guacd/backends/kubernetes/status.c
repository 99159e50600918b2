#include "guacd/backends/kubernetes/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guacd/base/json.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define STATUS_BYTES_MAX (64u << 10)

static void copy(char *out, size_t size, const char *text) {
    size_t n = 0;
    for (; *text && n + 1 < size; text++)
        out[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text;
    out[n] = '\0';
    while (n && ((unsigned char)out[n - 1] & 0xc0) == 0x80) /* a letter that was cut */
        out[--n] = '\0';
    if (n && (unsigned char)out[n - 1] >= 0xc0)
        out[n - 1] = '\0';
}

/* The code is a string in one of the causes; the message's wording differs between versions. */
static int exit_code(const json_t *o) {
    size_t i;
    json_t *cause;
    json_array_foreach(json_object_get(json_object_get(o, "details"), "causes"), i,
                       cause) if (strcmp(json_str(cause, "reason", ""), "ExitCode") ==
                                  0) return atoi(json_str(cause, "message", "-1"));
    return -1;
}

bool kstatus_parse(const char *json, size_t len, struct kstatus *out) {
    struct err ignored = { 0 };
    _json_ json_t *o = json_parse(json, len, STATUS_BYTES_MAX, &ignored);
    const char *status = o ? json_str(o, "status", "") : "";
    *out = (struct kstatus){ .exit = -1 };
    if (strcmp(status, "Success") != 0 && strcmp(status, "Failure") != 0)
        return false;
    out->success = *status == 'S';
    out->code = (int)json_num(o, "code", 0);
    copy(out->reason, sizeof out->reason, json_str(o, "reason", ""));
    copy(out->message, sizeof out->message, json_str(o, "message", ""));
    if (strcmp(out->reason, "NonZeroExitCode") == 0)
        out->exit = exit_code(o);
    else if (out->success)
        out->exit = 0;
    return true;
}

/* ---- sentences --------------------------------------------------------------------------------
 */

int kstatus_refusal(int http, const char *body, size_t len, const struct kwhere *w, struct err *e) {
    struct kstatus st;
    char line[256] = "";
    if (!kstatus_parse(body, len, &st) && len) {
        snprintf(line, sizeof line, "%.*s", (int)MIN_OF(len, sizeof line - 1), body);
        copy(st.message, sizeof line, line);
    }
    const char *said = *st.message ? st.message : "it does not say why";
    switch (http) {
    case 401:
        return err_set(e, STATUS_CLIENT_UNAUTHORIZED,
                       "the cluster does not know who asks: the token or certificate is wrong or "
                       "has expired; sign in again, or renew the connection's credentials");
    case 403:
        return err_set(e, STATUS_CLIENT_FORBIDDEN,
                       "the cluster's access rules say no: %s; whoever runs namespace %s can grant "
                       "it by a RoleBinding",
                       said, w->namespace);
    case 404:
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "not found in namespace %s: %s", w->namespace,
                       said);
    case 400:
        if (strstr(said, "HTTP request to an HTTPS server"))
            return err_set(e, STATUS_UPSTREAM_ERROR, "the API server speaks TLS only: set use-ssl");
        return err_set(e, STATUS_RESOURCE_NOT_FOUND, "the cluster cannot do that: %s", said);
    case 409:
    case 410:
        return err_set(e, STATUS_RESOURCE_CONFLICT, "pod %s cannot be entered now: %s", w->pod,
                       said);
    case 429:
    case 503:
    case 504:
        return err_set(e, STATUS_UPSTREAM_UNAVAILABLE,
                       "the API server has no time or no node now: %s; try again soon", said);
    default:
        return err_set(e, STATUS_UPSTREAM_ERROR, "the API server answers %d: %s", http, said);
    }
}

static bool says(const struct kstatus *st, const char *what) {
    return strcasestr(st->message, what);
}

bool kstatus_ended(const struct kstatus *st, const struct kwhere *w, char *text, size_t size,
                   struct err *e) {
    const char *what = *w->command ? "command" : "container's process";
    if (st->exit == 0)
        snprintf(text, size, "The %s ended.", what);
    else if (st->exit > 128 && st->exit < 160)
        snprintf(text, size, "The %s was ended by signal %d (status %d).", what, st->exit - 128,
                 st->exit);
    else if (st->exit > 0)
        snprintf(text, size, "The %s ended with status %d.", what, st->exit);
    if (st->exit >= 0)
        return true;
    if (*w->command && (says(st, "executable file") || says(st, "no such file or directory")))
        err_set(e, STATUS_RESOURCE_NOT_FOUND,
                "container %s has no program %s: its image may come without a shell; name another "
                "command, attach instead, or debug it by an ephemeral container",
                w->container, w->command);
    else if (*w->command && says(st, "permission denied"))
        err_set(e, STATUS_CLIENT_FORBIDDEN, "container %s does not let %s run: permission denied",
                w->container, w->command);
    else if (says(st, "container not running") || says(st, "not found in pod") ||
             says(st, "container not found") || says(st, "is not running"))
        err_set(e, STATUS_UPSTREAM_UNAVAILABLE, "container %s of pod %s does not run (%s)",
                w->container, w->pod, st->message);
    else
        err_set(e, STATUS_UPSTREAM_ERROR, "the cluster could not start it: %s", st->message);
    return false;
}

/* ---- words ------------------------------------------------------------------------------------
 */

int kwords(const char *line, struct buf *out, struct err *e) {
    int count = 0;
    bool in_word = false;
    char quote = '\0';
    for (const char *p = line; *p; p++) {
        bool blank = *p == ' ' || *p == '\t' || *p == '\n' || *p == '\r';
        if (!quote && blank) {
            if (in_word)
                buf_putc(out, '\0');
            in_word = false;
            continue;
        }
        count += !in_word;
        in_word = true;
        if (quote ? *p == quote : *p == '\'' || *p == '"') {
            quote = quote ? '\0' : *p;
            continue;
        }
        if (*p == '\\' && quote != '\'' && p[1] && (!quote || strchr("\"\\$`", p[1])))
            p++;
        buf_putc(out, *p);
    }
    if (in_word)
        buf_putc(out, '\0');
    if (quote)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "parameter exec-command: a quotation mark (%c) is not closed", quote);
    return count;
}
