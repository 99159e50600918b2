/* Files of a container, as kubectl cp moves them: by tar in the container, over connections of
 * their own beside the terminal's. */
#ifndef GUAC_BACKENDS_KUBERNETES_FILES_H
#define GUAC_BACKENDS_KUBERNETES_FILES_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define KUBE_FILES_POLL 1

struct kube_files;

static inline size_t kube_files_poll(struct kube_files *f, struct pollfd *p, uint64_t now,
                                     int *ms) {
    (void)f, (void)p, (void)now, (void)ms;
    return 0;
}
static inline void kube_files_serve(struct kube_files *f, const struct pollfd *p, size_t count) {
    (void)f, (void)p, (void)count;
}

#endif
