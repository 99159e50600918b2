/* A folder is opened as a store of one recording: its parent is the store, its name the prefix. */
#include "recording/evidence/find.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static int open_folder(const char *word, struct found *out, struct err *e) {
    char real[PATH_MAX], url[PATH_MAX + 16];
    if (!realpath(word, real))
        return err_errno(e, STATUS_RESOURCE_NOT_FOUND, "%s", word);
    char *name = strrchr(real, '/');
    if (!name || !name[1] || !name_key_valid(name + 1) || strlen(name + 1) >= NAME_PREFIX_SIZE)
        return err_set(e, STATUS_CLIENT_BAD_REQUEST,
                       "%s: a recording's folder is not called like that", word);
    snprintf(out->prefix, sizeof out->prefix, "%s", name + 1);
    *name = '\0';
    snprintf(url, sizeof url, "folder:%s", *real ? real : "/");
    out->target = store_target_new(&(struct store_config){ .url = url }, e);
    out->store = out->target ? store_new(out->target, e) : NULL;
    return out->store ? 0 : -1;
}

int find_recording(const char *word, struct store *configured, struct tree *t, struct found *out,
                   struct err *e) {
    struct name_prefix p;
    char text[NAME_PREFIX_SIZE];
    *out = (struct found){ 0 };
    int n = snprintf(text, sizeof text, "%s", word);
    while (n > 0 && n < (int)sizeof text && text[n - 1] == '/')
        text[--n] = '\0';
    if (n < (int)sizeof text && configured && name_prefix_parse(text, &p)) {
        out->store = configured;
        snprintf(out->prefix, sizeof out->prefix, "%s", text);
        return 0;
    }
    if (uuid_valid(word, strlen(word)) && configured) {
        out->store = configured;
        if (tree_refresh(t, configured, true, e) < 0)
            return -1;
        return tree_find(t, word, out->prefix)
                   ? 0
                   : err_set(e, STATUS_RESOURCE_NOT_FOUND, "no recording is called %s", word);
    }
    struct stat st;
    if (stat(word, &st) == 0 && S_ISDIR(st.st_mode))
        return open_folder(word, out, e);
    return err_set(e, STATUS_RESOURCE_NOT_FOUND, "'%s' is no folder%s", word,
                   configured ? ", no recording's id and no prefix"
                              : "; for an id or a prefix a store must be configured (--store)");
}

void found_fini(struct found *f) {
    if (f->target) {
        store_free(f->store);
        store_target_free(f->target);
    }
    *f = (struct found){ 0 };
}
