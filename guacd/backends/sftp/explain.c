/* What an SFTP server refuses, as a status and a sentence with a way out. */
#include <stdio.h>

#include "guacd/backends/sftp/sftp_priv.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

static const struct {
    unsigned long code;
    int status;
    const char *text;
} rows[] = {
    { LIBSSH2_FX_NO_SUCH_FILE, STATUS_RESOURCE_NOT_FOUND,
      "There is no such file or folder on the target." },
    { LIBSSH2_FX_NO_SUCH_PATH, STATUS_RESOURCE_NOT_FOUND,
      "There is no such file or folder on the target." },
    { LIBSSH2_FX_PERMISSION_DENIED, STATUS_CLIENT_FORBIDDEN,
      "The target does not permit it: its owner has to give you the right." },
    { LIBSSH2_FX_WRITE_PROTECT, STATUS_CLIENT_FORBIDDEN, "The target can only be read there." },
    { LIBSSH2_FX_FILE_ALREADY_EXISTS, STATUS_RESOURCE_CONFLICT,
      "Something of that name is there already." },
    { LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM, STATUS_UPSTREAM_ERROR, "The target's disk is full." },
    { LIBSSH2_FX_QUOTA_EXCEEDED, STATUS_UPSTREAM_ERROR, "Your quota on the target is used up." },
    { LIBSSH2_FX_LOCK_CONFLICT, STATUS_RESOURCE_CONFLICT, "Somebody else holds this file." },
    { LIBSSH2_FX_NOT_A_DIRECTORY, STATUS_RESOURCE_CONFLICT,
      "A file stands where a folder is meant." },
    { LIBSSH2_FX_INVALID_FILENAME, STATUS_CLIENT_BAD_REQUEST, "The target knows no such names." },
    { LIBSSH2_FX_LINK_LOOP, STATUS_RESOURCE_CONFLICT, "Its links lead in a circle." },
    { LIBSSH2_FX_OP_UNSUPPORTED, STATUS_UNSUPPORTED, "The target's SFTP server cannot do this." },
    { LIBSSH2_FX_CONNECTION_LOST, STATUS_RESOURCE_CLOSED, "The connection to the target is lost." },
};

void sftp_explain(struct sftp *c, LIBSSH2_SFTP *lib, int rc, int *status, char *why, size_t size) {
    if (rc == LIBSSH2_ERROR_SFTP_PROTOCOL && lib) {
        unsigned long code = libssh2_sftp_last_error(lib);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].code == code) {
                *status = rows[i].status;
                snprintf(why, size, "%s", rows[i].text);
                return;
            }
        *status = STATUS_UPSTREAM_ERROR;
        snprintf(why, size, "The target's SFTP server failed at it (code %lu).", code);
        return;
    }
    char *text = NULL;
    libssh2_session_last_error(c->conf.lib, &text, NULL, 0);
    *status = STATUS_UPSTREAM_ERROR;
    snprintf(why, size, "The connection for files failed (libssh2 %d).", rc);
}
