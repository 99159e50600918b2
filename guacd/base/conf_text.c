/* A config table as text: --help, --print-config, the manual page. */
#include "guacd/base/conf_parts.h"

#include <string.h>

#include "guacd/base/util.h"

static const char *kind(const struct conf_row *row) {
    switch (row->type) {
    case CONF_INT:
        return "N";
    case CONF_BOOL:
        return "true|false";
    case CONF_PATH:
    case CONF_SECRET_FILE:
        return "FILE";
    case CONF_LIST:
        return "LIST";
    case CONF_STRING:
        break;
    }
    return "TEXT";
}

static void default_of(const struct conf_row *row, const char *before, const char *after,
                       FILE *out) {
    if (!row->def)
        fprintf(out, "%srequired%s", before, after);
    else if (*row->def)
        fprintf(out, "%sdefault %s%s", before, row->def, after);
}

void conf_help(const struct conf_table *t, FILE *out) {
    char env[2 * CONF_KEY_MAX];
    conf_env_name(t, "key", env, sizeof env);
    fprintf(out, "%s - %s\n\nUsage: %s [--config FILE] [--key VALUE]...\n\n", t->program,
            t->purpose, t->program);
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_row *row = &t->rows[i];
        if (row->short_opt)
            fprintf(out, "  -%c, ", row->short_opt);
        else
            fputs("      ", out);
        fprintf(out, "--%s %s\n          %s", row->key, kind(row), row->help);
        default_of(row, " (", ")", out);
        fputc('\n', out);
    }
    fputs("\n      --config FILE\n          Read this file instead of ", out);
    fprintf(out, "%s.\n", t->default_file ? t->default_file : "none");
    fputs("      --print-config\n          Print the configuration in force, and end.\n"
          "      --print-manual\n          Print these keys as troff, for the manual page.\n"
          "      --version, --help\n\n",
          out);
    fprintf(out,
            "The same keys stand in the file as 'key = value' and in the environment as %s.\n"
            "The command line counts before the environment, that before the file.\n",
            env);
}

void conf_print(const struct conf_table *t, const void *target, FILE *out) {
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_row *row = &t->rows[i];
        const void *slot = (const char *)target + row->offset;
        if (row->type == CONF_INT) {
            fprintf(out, "%s = %ld\n", row->key, *(const long *)slot);
        } else if (row->type == CONF_BOOL) {
            fprintf(out, "%s = %s\n", row->key, *(const bool *)slot ? "true" : "false");
        } else {
            const char *text = *(char *const *)slot;
            fprintf(out, "%s =%s%s\n", row->key, text ? " " : "", text ? text : "");
        }
    }
}

/* troff: a backslash, a hyphen and a leading dot or quote mean something else. */
static void troff(const char *s, FILE *out) {
    if (*s == '.' || *s == '\'')
        fputs("\\&", out);
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", out);
        else if (*s == '-')
            fputs("\\-", out);
        else
            fputc(*s, out);
    }
}

void conf_man(const struct conf_table *t, FILE *out) {
    char env[2 * CONF_KEY_MAX];
    conf_env_name(t, "key", env, sizeof env);
    fputs(".SH CONFIGURATION\nEvery key is a line\n.I key = value\nin the file ", out);
    troff(t->default_file ? t->default_file : "given by --config", out);
    fputs(", an environment variable such as ", out);
    troff(env, out);
    fputs(", and an option;\nthe option counts before the variable, that before the file.\n"
          "An unknown key is refused.\n"
          ".TP\n.B \\-\\-config \\fIFILE\\fR\nRead this file instead.\n"
          ".TP\n.B \\-\\-print\\-config\nPrint the configuration in force, and end; of a secret, "
          "its file's name.\n"
          ".TP\n.B \\-\\-help\\fR, \\fB\\-\\-version\nPrint that, and end.\n",
          out);
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_row *row = &t->rows[i];
        fputs(".TP\n.B \\-\\-", out);
        troff(row->key, out);
        fprintf(out, " \\fI%s\\fR", kind(row));
        if (row->short_opt)
            fprintf(out, ", \\fB\\-%c\\fR", row->short_opt);
        fputc('\n', out);
        troff(row->help, out);
        if (!row->def) {
            fputs(" Required.", out);
        } else if (*row->def) {
            fputs(" Default: ", out);
            troff(row->def, out);
            fputc('.', out);
        }
        fputc('\n', out);
    }
}
