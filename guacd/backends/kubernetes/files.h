/* Files of a container, as kubectl cp moves them: by tar in the container, over connections of
 * their own beside the terminal's, a connection an op. Never blocks; for the terminal's thread. */
#ifndef GUAC_BACKENDS_KUBERNETES_FILES_H
#define GUAC_BACKENDS_KUBERNETES_FILES_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

#define KUBE_FILES_TASKS 4 /* under way at a time; further ones wait for their turn */
#define KUBE_FILES_POLL (1 + KUBE_FILES_TASKS)

struct kube;
struct kube_files;

/* Shows them to who may see them. NULL with e. */
struct kube_files *kube_files_new(struct kube *k, const char *drop, struct err *e);
void kube_files_free(struct kube_files *f); /* NULL is fine */
/* What to poll for, at most KUBE_FILES_POLL; *ms (-1: for ever) becomes shorter where needed. */
size_t kube_files_poll(struct kube_files *f, struct pollfd *p, uint64_t now, int *ms);
/* Whatever can be done now, about KUBE_READ_BUDGET bytes a task. */
void kube_files_serve(struct kube_files *f, uint64_t now);

#endif
