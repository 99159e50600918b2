/* One resource as one file: reading it, and replacing it whole. Private to the folder store. */
#ifndef GUAC_CRD_RESOURCES_FILE_H
#define GUAC_CRD_RESOURCES_FILE_H

#include <sys/stat.h>

#include "crd/resources.h"

#define RESOURCES_FILE_MAX 262144
#define RESOURCES_FILE_NAME 256

/* "relay.name.yaml"; -1: too long for a file's name. */
int resources_file_name(const char *namespace, const char *name, char out[RESOURCES_FILE_NAME]);

/* What a file holds: one document of this kind whose name is the file's. Its version is the digest
 * of the bytes, so that what an editor did counts, too. */
struct resources_file {
    json_t *document;
    char version[17];
    struct stat st;
};
/* RESOURCES_NOT_FOUND, _REFUSED (modes), _INVALID (malformed), _UNAVAILABLE. Zeroed before. */
enum resources_result resources_file_load(int dir, const char *file, struct resources_file *out,
                                          struct err *e);
void resources_file_fini(struct resources_file *f);
/* Typed. A file that bears another's name, or names another kind, has that as its error. */
struct resource *resources_file_resource(enum resource_kind kind, const char *file,
                                         const struct resources_file *f);
/* The bytes of a file, for tests and fuzzers: -1 with e when malformed. */
int resources_file_parse(const char *text, size_t len, json_t **document, struct err *e);
/* By a new file, synced and renamed over the old one. */
enum resources_result resources_file_save(int dir, const char *file, const json_t *document,
                                          struct err *e);

#endif
