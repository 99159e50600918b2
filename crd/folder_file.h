/* One YAML file of a folder catalogue: its documents, typed, and what is wrong with them. Private
 * to the folder catalogue. */
#ifndef GUAC_CRD_FOLDER_FILE_H
#define GUAC_CRD_FOLDER_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "crd/catalog_impl.h"

struct folder_secret {
    char *namespace, *name;
};

struct folder_file {
    char *name;            /* in the folder */
    struct timespec mtime; /* with size and inode: whether to read it again */
    off_t size;
    ino_t inode;
    mode_t mode;
    bool seen; /* by the look going on */
    struct connection **connections;
    size_t connection_count;
    struct environment_policy **policies;
    size_t policy_count;
    struct folder_secret *secrets; /* where a Secret is; its content is read when it is needed */
    size_t secret_count;
    json_t *problems; /* sentences that belong to no connection */
};

struct folder_file *folder_file_new(const char *name);
void folder_file_free(struct folder_file *f);
bool folder_file_same(const struct folder_file *f, const struct stat *st);
/* Read it, or read it again. A file that became unreadable keeps its EnvironmentPolicies (a slip
 * must not open what they guard), and its connections stay listed with the error. */
void folder_file_load(struct folder_file *f, int folder_fd);
/* The same from memory: the part that meets hostile bytes. */
void folder_file_parse(struct folder_file *f, const char *text, size_t len);
/* The Secret document of this name. -1 with e. */
int folder_file_secret(const struct folder_file *f, int folder_fd, const char *namespace,
                       const char *name, struct secret_set *out, struct err *e);

#endif
