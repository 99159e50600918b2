/* What runs in a container for its files: one program of a POSIX shell, the same for every image
 * that has a shell (dash, bash, busybox, toybox), by words of its own:
 *
 *   sh -c KUBE_SCRIPT sh get PATH      a folder: "folder\n" and its entries (archive.h)
 *                                      a file: "file\n" and an archive with it alone
 *   sh -c KUBE_SCRIPT sh put PATH      "ready\n", then the contents of all members of the archive
 *                                      that comes become the file; then its size, or "failed\n"
 *   sh -c KUBE_SCRIPT sh folder PATH   makes it, and those above it
 *
 * PATH is a format of printf, so that any bytes can be said in plain ASCII. What goes wrong is one
 * of enum script_exit; tar's own words are on stderr. */
#ifndef GUAC_BACKENDS_KUBERNETES_SCRIPT_H
#define GUAC_BACKENDS_KUBERNETES_SCRIPT_H

#include "guacd/base/buf.h"

enum script_exit {
    SCRIPT_NOT_THERE = 71,
    SCRIPT_NOT_PERMITTED = 72,
    SCRIPT_SPECIAL = 73, /* neither file nor folder */
    SCRIPT_NO_TAR = 74,
    SCRIPT_FILE_ABOVE = 75, /* where a folder is meant */
    SCRIPT_IS_FOLDER = 76,  /* where a file is meant */
    SCRIPT_HALF = 77        /* tar failed; what was made is gone again */
};

/* Appends "command=sh&command=-c&…&" for a query. */
void script_query(struct buf *out, const char *verb, const char *path);

#endif
