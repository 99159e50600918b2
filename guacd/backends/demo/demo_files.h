/* A few files in memory: the template of a file system, and the double of one in tests. */
#ifndef GUAC_BACKENDS_DEMO_FILES_H
#define GUAC_BACKENDS_DEMO_FILES_H

#include "guacd/session/files.h"

struct demo_files;

struct demo_files *demo_files_new(struct session *s, struct err *e);
void demo_files_free(struct demo_files *d);    /* NULL is fine */
int demo_files_fd(const struct demo_files *d); /* -1 for NULL */
void demo_files_serve(struct demo_files *d);

#endif
