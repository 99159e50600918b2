/* Reading a resource's fields with all its errors collected, each with its path: "spec.port: 70000
 * is not in 1…65535". Reading goes on after an error, so that an author sees everything at once. */
#ifndef GUAC_CRD_FIELD_H
#define GUAC_CRD_FIELD_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>

#define FIELD_ERRORS_MAX 64 /* of one resource; one more line says that there were more */
#define FIELD_PATH_MAX 192

/* One object of a resource and the path that leads to it. */
struct field {
    const json_t *object; /* NULL: absent, every read gives its fallback */
    json_t *errors;       /* array of sentences, shared by the whole resource */
    char path[FIELD_PATH_MAX];
};

void field_root(struct field *f, const json_t *resource, json_t *errors);
/* Append "path.key: sentence" (key NULL: about the object itself). Values are quoted by callers
 * only where they cannot be secret. */
void field_error(const struct field *f, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void field_verror(const struct field *f, const char *key, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* A member object. Absent: false and out->object NULL, no error unless needed. */
bool field_object(const struct field *f, const char *key, bool needed, struct field *out);
/* Members other than these ("a|b|c") are errors that name the nearest known one. */
void field_only(const struct field *f, const char *known);
/* A string of 1…max bytes without control characters (a new copy), or NULL. */
char *field_string(const struct field *f, const char *key, bool needed, size_t max);
long field_int(const struct field *f, const char *key, long fallback, long min, long max);
bool field_bool(const struct field *f, const char *key, bool fallback);
/* Index in "a|b|c". */
int field_choice(const struct field *f, const char *key, const char *choices, int fallback);
/* A list of up to 64 distinct strings; a new array, empty when absent or wrong. */
json_t *field_strings(const struct field *f, const char *key, bool needed);

/* RFC 1123: namespaces (label) and names (subdomain), so that they may be part of a path. */
bool field_is_label(const char *s);
bool field_is_subdomain(const char *s);
/* A host: IPv4, IPv6 without brackets, or a DNS name. */
bool field_is_host(const char *s);

#endif
