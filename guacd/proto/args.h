/* The parameter tables of all protocols. One row feeds the `args` reply, the typed parser, the
 * resource's schema and the manual. Rows only: no protocol library is named here. */
#ifndef GUAC_PROTO_ARGS_H
#define GUAC_PROTO_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guacd/base/err.h"

enum arg_type { ARG_STRING, ARG_BOOL, ARG_INT, ARG_ENUM, ARG_TEXT /* may hold newlines */ };

#define ARG_SECRET \
    0x01u                 /* comes by `credentials` only; redacted before hashing, logging, export \
                           */
#define ARG_LOCAL 0x02u   /* file paths and the like: stock mode only */
#define ARG_LIVE 0x04u    /* may change by argv while the session runs */
#define ARG_GATEWAY 0x08u /* policy set by authd; ignored unless the session came with a tap */
#define ARG_HOST 0x10u    /* names a host or port that will be dialled: address policy applies */

struct arg_spec {
    const char *name; /* as in Guacamole's manual */
    enum arg_type type;
    unsigned flags;
    const char *def;     /* as text; "" for none */
    long min, max;       /* ARG_INT */
    const char *choices; /* ARG_ENUM: "a|b|c" */
    const char *help;    /* one sentence */
};

struct arg_table;

struct protocol {
    const char *name;                      /* what `select` says */
    const struct arg_table *const *tables; /* own rows, then shared ones (terminal, common,
                                              gateway); NULL-terminated */
    int default_port;                      /* 0: none */
};

/* ssh, vnc, rdp, kubernetes, demo, NULL. */
extern const struct protocol *const protocols[];
const struct protocol *protocol_find(const char *name);
/* Row i over all tables, NULL past the end. Order is the order of `args`. */
const struct arg_spec *protocol_arg(const struct protocol *p, size_t i);
const struct arg_spec *protocol_arg_find(const struct protocol *p, const char *name, size_t *index);

/* Values of one connection. */
struct args;
struct args *args_new(const struct protocol *p);
void args_free(struct args *a);         /* wipes secrets */
void args_wipe_secrets(struct args *a); /* once connected; args_str() then gives "" for them */
/* Set one by name. false with e (0x0300): unknown name, wrong type, out of range, wrong choice, not
 * UTF-8, a control character in what is no ARG_TEXT. An empty value means the default. Booleans are
 * true or false (and yes, no, on, off, 1, 0). The error names the parameter, never a secret's
 * value. */
bool args_set(struct args *a, const char *name, const char *value, size_t len, struct err *e);
/* What was set, else the row's default. Asking for a name that the protocol lacks is a programming
 * error (abort). */
const char *args_str(const struct args *a, const char *name); /* "" for none, and once wiped */
long args_int(const struct args *a, const char *name);        /* 0 for none */
bool args_bool(const struct args *a, const char *name);
bool args_is_set(const struct args *a, const char *name);
const struct protocol *args_protocol(const struct args *a);

#endif
