/* A resource's fields as rows: one row feeds the reader with its defaults and errors, the writer,
 * the CRD's OpenAPI schema and the manual. What one row cannot say (two fields that exclude each
 * other) is a function of its kind, and a rule of its CRD. */
#ifndef GUAC_CRD_SCHEMA_H
#define GUAC_CRD_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "crd/field.h"

enum schema_type {
    SCHEMA_OBJECT, /* its members follow; bool member: whether it was there, or SCHEMA_NOWHERE */
    SCHEMA_OPEN,   /* a map with members of any name; read by code */
    SCHEMA_TEXT,   /* char *, NULL when absent */
    SCHEMA_INT,    /* integer member of `size` bytes */
    SCHEMA_BOOL,   /* bool */
    SCHEMA_CHOICE, /* enum: index in `choices` */
    SCHEMA_TIME,  /* int64_t, Unix ms; 0: absent. "2026-11-21T22:08:26Z", a fraction may be there */
    SCHEMA_TEXTS, /* json_t *, array of strings, never NULL once read */
    SCHEMA_LIST,  /* json_t *, array of objects whose members are `entry`; never NULL once read */
};

#define SCHEMA_NEEDED 0x01u /* when the object it stands in is there */
#define SCHEMA_HAND 0x02u   /* known and described; the kind's own code reads it */
#define SCHEMA_NOWHERE ((size_t)-1)

/* What a text must look like: for us a function, for the API server a pattern (RE2, whole text). */
struct schema_format {
    bool (*check)(const char *text);
    const char *wrong;   /* the sentence's end: "is no Kubernetes name" */
    const char *pattern; /* NULL: only we check */
};
extern const struct schema_format schema_label, schema_subdomain, schema_host, schema_bucket,
    schema_uuid, schema_selector, schema_reference, schema_watermark;

struct schema {
    const struct schema_row *rows;
    size_t count;
};

struct schema_row {
    const char *path; /* "recording.keys"; an object's row stands directly before its members' */
    enum schema_type type;
    unsigned flags;
    size_t offset, size;
    long min, max;       /* numbers; TEXT: max bytes; TEXTS and LIST: max entries */
    long def;            /* number, bool, index of a choice */
    const char *text;    /* default of a TEXT, NULL: none */
    const char *choices; /* "a|b|c" */
    const struct schema_format *format;
    struct schema entry; /* LIST: members of one entry; TEXT, TIME, INT and CHOICE only */
    const char *help;    /* one sentence */
};

/* Read f's members into out (zeroed before), with defaults for what is absent; errors go to
 * f->errors; members that no row knows are errors. f->object NULL gives all defaults. */
void schema_read(const struct schema *s, const struct field *f, void *out);
/* The reverse: a new object without what equals its default; NULL without memory. */
json_t *schema_write(const struct schema *s, const void *in);
/* Frees texts and lists; zeroed is valid. */
void schema_free(const struct schema *s, void *out);
const struct schema_row *schema_find(const struct schema *s, const char *path);

#endif
