/* What conf.c and conf_text.c share; programs include conf.h. */
#ifndef GUAC_BASE_CONF_TEXT_H
#define GUAC_BASE_CONF_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "guacd/base/conf.h"

#define CONF_KEY_MAX 64

bool conf_is_text(const struct conf_row *row);
void conf_env_name(const struct conf_table *t, const char *key, char *out, size_t size);
void conf_help(const struct conf_table *t, FILE *out);
/* As a file that conf_load() reads again. */
void conf_print(const struct conf_table *t, const void *target, FILE *out);

#endif
