/* A session's files in the spool, as its thread writes them. Every call either leaves the files as
 * they were, or does all it says; errno tells why not. The spool's thread alone. */
#ifndef GUAC_RECORDER_SPOOL_DISK_H
#define GUAC_RECORDER_SPOOL_DISK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/enc.h"

struct spool_log {
    uint32_t k;
    uint64_t bytes, last_seq, last_object;
};

struct spool_disk {
    int folder;                  /* the spool's */
    atomic_uint_fast64_t *bytes; /* of all sessions' logs */
    char id[UUID_LEN + 1];
    struct spool_log *logs; /* those that are there, oldest first */
    size_t count, cap;
    uint32_t next;       /* number of the next one */
    int log_fd, list_fd; /* of the last log; -1: a new one next time */
};

void spool_disk_init(struct spool_disk *d, int folder, const char *id, atomic_uint_fast64_t *bytes);
void spool_disk_fini(struct spool_disk *d); /* closes; removes nothing */
int spool_disk_add(struct spool_disk *d, struct spool_log log);
/* Records, synced; the last frame and object among them, or before them. */
int spool_disk_append(struct spool_disk *d, const void *data, size_t len, uint64_t last_seq,
                      uint64_t last_object);
/* Lines of the list, not synced. */
int spool_disk_list(struct spool_disk *d, const void *data, size_t len);
/* Remove logs that hold nothing but frames up to `acked` and objects up to `stored`; the list is
 * synced first. */
int spool_disk_drop(struct spool_disk *d, uint64_t acked, uint64_t stored);
int spool_disk_state(struct spool_disk *d, const void *data, size_t len);
int spool_disk_remove(struct spool_disk *d);

#endif
