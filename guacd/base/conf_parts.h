/* What the conf*.c files share; programs include conf.h. */
#ifndef GUAC_BASE_CONF_PARTS_H
#define GUAC_BASE_CONF_PARTS_H

#include <stdbool.h>
#include <stdio.h>

#include "guacd/base/conf.h"

#define CONF_KEY_MAX 64

/* Text rows are char * in the target, the others long and bool. */
bool conf_is_text(const struct conf_row *row);
/* `place` names where the value came from. An empty value is the default. */
int conf_set(const struct conf_row *row, void *target, const char *value, const char *place,
             struct err *e);
const struct conf_row *conf_find(const struct conf_table *t, const char *key, size_t len);
/* Sets `e` with the nearest known name. Returns -1. */
int conf_unknown(const struct conf_table *t, const char *place, const char *key, size_t len,
                 struct err *e);
void conf_env_name(const struct conf_table *t, const char *key, char *out, size_t size);

void conf_help(const struct conf_table *t, FILE *out);
/* As a file that conf_load() reads again. */
void conf_print(const struct conf_table *t, const void *target, FILE *out);

#endif
