#include "guacd/daemon/known.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guacd/base/log.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

#define PRINT_LEN 64

struct entry {
    struct entry *next;
    char print[PRINT_LEN + 1];
    char name[];
};

struct known {
    int fd; /* -1: in memory only */
    struct entry *first;
    size_t count;
};

static bool good(const char *name, const char *print) {
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return len > 0 && len < KNOWN_NAME_MAX && strlen(print) == PRINT_LEN &&
           strspn(print, "0123456789abcdef") == PRINT_LEN;
}

static const struct entry *find(const struct known *k, const char *name) {
    const struct entry *n = k->first;
    while (n && strcmp(n->name, name) != 0)
        n = n->next;
    return n;
}

static bool insert(struct known *k, const char *name, const char *print) {
    size_t len = strlen(name) + 1;
    struct entry *n = k->count < KNOWN_MAX ? malloc(sizeof(*n) + len) : NULL;
    if (!n)
        return false;
    memcpy(n->name, name, len);
    memcpy(n->print, print, PRINT_LEN + 1);
    n->next = k->first;
    k->first = n;
    k->count++;
    return true;
}

/* A line that is none is left out, and said: forgetting it quietly would take the next comer for
 * the first. */
static void read_all(struct known *k, FILE *f, const char *path) {
    char line[KNOWN_NAME_MAX + PRINT_LEN + 3];
    for (size_t number = 1; fgets(line, sizeof(line), f); number++) {
        char *print = strchr(line, ' ');
        line[strcspn(line, "\n")] = '\0';
        if (print)
            *print++ = '\0';
        if (!print || !good(line, print))
            log_warning("%s: line %zu is no certificate's", path, number);
        else if (!find(k, line))
            insert(k, line, print);
    }
}

struct known *known_open(const char *path, struct err *e) {
    struct known *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(e, 0, "no memory");
        return NULL;
    }
    k->fd = -1;
    if (!path)
        return k;
    k->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    FILE *f = k->fd >= 0 ? fdopen(dup(k->fd), "r") : NULL;
    if (!f) {
        err_errno(e, 0, "cannot open %s", path);
        known_free(k);
        return NULL;
    }
    read_all(k, f, path);
    fclose(f);
    return k;
}

void known_free(struct known *k) {
    if (!k)
        return;
    while (k->first) {
        struct entry *n = k->first;
        k->first = n->next;
        free(n);
    }
    if (k->fd >= 0)
        close(k->fd);
    free(k);
}

const char *known_find(const struct known *k, const char *name) {
    const struct entry *n = find(k, name);
    return n ? n->print : "";
}

bool known_full(const struct known *k) {
    return k->count >= KNOWN_MAX;
}

int known_add(struct known *k, const char *name, const char *print, struct err *e) {
    if (!good(name, print))
        return err_set(e, STATUS_CLIENT_BAD_REQUEST, "no certificate can be kept by that name");
    if (find(k, name))
        return 0;
    if (!insert(k, name, print))
        return err_set(e, STATUS_SERVER_BUSY, "%d certificates are known: %s is not remembered",
                       KNOWN_MAX, name);
    char line[KNOWN_NAME_MAX + PRINT_LEN + 3];
    int len = snprintf(line, sizeof(line), "%s %s\n", name, print);
    if (k->fd >= 0 && write(k->fd, line, (size_t)len) != len)
        return err_errno(e, STATUS_SERVER_ERROR, "%s is remembered until guacd ends", name);
    return 0;
}
