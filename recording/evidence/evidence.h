/* guac-evidence: its configuration and its commands, a row and a file each. */
#ifndef GUAC_EVIDENCE_H
#define GUAC_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/err.h"
#include "recording/evidence/tree.h"
#include "recording/evidence/verify.h"
#include "recording/store.h"

struct config {
    struct store_config store;
    char *run, *buckets, *trusted_uids, *log_level, *key;
    char *log_bucket, *anchor, *events, *stamp_ca, *from, *to, *index, *output, *exports;
    long workers, exports_at_once, exports_each, export_space, export_hours;
    bool json, raw, quick, allow_no_seccomp;
};

struct evidence {
    const struct config *config;
    struct store_target *target; /* NULL: none configured */
    struct store *store;         /* the main thread's; NULL likewise */
    struct tree *tree;
    struct verify_anchor anchor; /* serve: the keys given */
};

/* Words behind the command. Returns the exit status; 2 and e: it could not be done. */
int command_ls(struct evidence *v, char **words, size_t count, struct err *e);
int command_verify(struct evidence *v, char **words, size_t count, struct err *e);
int command_anchor(struct evidence *v, char **words, size_t count, struct err *e);
int command_show(struct evidence *v, char **words, size_t count, struct err *e);
int command_search(struct evidence *v, char **words, size_t count, struct err *e);
int command_keys(struct evidence *v, char **words, size_t count, struct err *e);
int command_export(struct evidence *v, char **words, size_t count, struct err *e);
int command_transcript(struct evidence *v, char **words, size_t count, struct err *e);
int command_cat(struct evidence *v, char **words, size_t count, struct err *e);
int command_hold(struct evidence *v, char **words, size_t count, struct err *e);
int command_serve(struct evidence *v, char **words, size_t count, struct err *e);

/* keys rotate, keys compromise: gateway_command.c */
int gateway_keys(struct evidence *v, char **words, size_t count, struct err *e);

/* A row's time as Unix ms; text NULL leaves `out` as it is. */
int evidence_time(const char *text, const char *row, uint64_t *out, struct err *e);
/* The log's bucket as configured. */
const char *evidence_log_bucket(const struct evidence *v);

#endif
