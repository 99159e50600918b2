/* SFTP beside a desktop: its own connection with its own rows. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "enable-sftp", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Files over an SSH server beside the desktop." },
    { "sftp-hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "Name or address of that server; the desktop's when empty." },
    { "sftp-port", ARG_INT, ARG_HOST, "22", ARG_PORT, NULL, "Its TCP port." },
    { "sftp-timeout", ARG_INT, 0, "10", 1, 300, NULL, "Seconds to wait for the connection." },
    { "sftp-host-key", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "The server's public key, as in known_hosts without the name." },
    { "sftp-username", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Who logs in; the desktop's user when empty." },
    { "sftp-password", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL, "Password." },
    { "sftp-private-key", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL, "Private key." },
    { "sftp-passphrase", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Passphrase of sftp-private-key." },
    { "sftp-public-key", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "Public key or certificate that belongs to sftp-private-key." },
    { "sftp-directory", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Folder of the target that files dropped onto the desktop go to." },
    { "sftp-root-directory", ARG_STRING, 0, "/", ARG_ANY, NULL,
      "Folder of the target that is shown as the top." },
    { "sftp-server-alive-interval", ARG_INT, 0, "0", 0, 86400, NULL,
      "Seconds between keep-alive messages; 0 for none." },
    { "sftp-disable-download", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file leaves the target." },
    { "sftp-disable-upload", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file reaches the target." },
};

const struct arg_table args_sftp = { rows, ARRAY_LEN(rows) };
