/* Configuration of a program: one table of rows feeds the file (`key = value`), the environment
 * (GUAC_<PROGRAM>_<KEY> with - as _; a leading guac- is dropped, so guac-proxy reads GUAC_PROXY_…),
 * the command line (--key value, --key=value, --switch, --no-switch), --print-config, --help and
 * the manual page. Secrets come as files only (CONF_SECRET_FILE rows hold the path). */
#ifndef GUAC_BASE_CONF_H
#define GUAC_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "guacd/base/err.h"

enum conf_type { CONF_STRING, CONF_INT, CONF_BOOL, CONF_PATH, CONF_SECRET_FILE, CONF_LIST };

struct conf_row {
    const char *key; /* lower case, words joined by - */
    enum conf_type type;
    size_t offset;    /* into the program's config struct: char *, long, bool; CONF_LIST: char *
                         as written, items separated by blanks or commas */
    const char *def;  /* default as text; NULL: required (text rows); "": unset, that is NULL, 0
                         or false. An empty value given later means the default again, so a row
                         with a default is never NULL */
    long min, max;    /* CONF_INT */
    char short_opt;   /* 0, or a stock option letter such as guacd's -b */
    const char *help; /* one sentence */
};

struct conf_table {
    const char *program; /* "guacd": environment prefix GUAC_GUACD_ */
    const char *purpose; /* one sentence for --help */
    const struct conf_row *rows;
    size_t count;
    const char *default_file; /* read when present and no --config FILE is given; may be NULL */
};

enum conf_result {
    CONF_OK,
    CONF_EXIT,
    CONF_BAD
}; /* EXIT: --help, --version, --print-config done */

/* Fill `target` (zeroed by the caller): defaults, then the file, then the environment, then the
 * command line; an unknown key is refused with the nearest known name. Words that are no option
 * go to args (room for argc of them; pointers into argv) and arg_count, if those are not NULL. */
enum conf_result conf_load(const struct conf_table *t, void *target, int argc, char **argv,
                           char **args, size_t *arg_count, struct err *e);
/* The file's part alone: `key = value` lines and # comments; `name` is for messages. */
int conf_parse(const struct conf_table *t, void *target, const char *text, size_t len,
               const char *name, struct err *e);
void conf_free(const struct conf_table *t, void *target);
/* Call fn for every item of a CONF_LIST value. Stops at and returns the first non-zero. */
int conf_each(const char *list, int (*fn)(const char *item, void *arg), void *arg);
/* An item of trusted-uids: a number or a user's name. -1: there is no such user. */
int conf_uid(const char *item, unsigned *uid);
/* The table as a section of a troff manual page (--print-manual; docs/man has the rest). */
void conf_man(const struct conf_table *t, FILE *out);

#endif
