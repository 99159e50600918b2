/* One kind's folder as the last look saw it. Private to the folder store; one thread. */
#ifndef GUAC_CRD_RESOURCES_SHELF_H
#define GUAC_CRD_RESOURCES_SHELF_H

#include <stdbool.h>
#include <sys/stat.h>

#include "crd/resources_impl.h"

struct shelf_entry {
    char *file;
    struct stat st;
    bool racy, seen;
    char version[17];
    struct resource *resource; /* what was last read; NULL: never yet */
    char *problem;             /* why it cannot be read now */
};

struct shelf {
    enum resource_kind kind;
    char path[512];
    int fd;                      /* -1: not open */
    struct shelf_entry *entries; /* sorted by file */
    size_t count;
    bool unreadable;
};

/* Made when it is missing. */
int shelf_open(struct shelf *s, int folder, const char *path, enum resource_kind kind,
               struct err *e);
void shelf_close(struct shelf *s);
/* -1: it cannot be read, what is known stays; 0: as before; 1: something changed. */
int shelf_look(struct shelf *s);
struct resources_view *shelf_view(const struct shelf *s); /* NULL without memory */
/* Is this the name of a resource's file? */
bool shelf_wanted(const char *name);

#endif
