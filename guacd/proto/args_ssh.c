/* SSH's own rows. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL, "Name or address of the SSH server." },
    { "port", ARG_INT, ARG_HOST, "22", ARG_PORT, NULL, "Its TCP port." },
    { "timeout", ARG_INT, 0, "10", 1, 300, NULL, "Seconds to wait for the connection." },
    { "host-key", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "The server's public key, as in known_hosts without the name; no other is accepted." },
    { "known-hosts", ARG_STRING, ARG_LOCAL, "", ARG_ANY, NULL,
      "A known_hosts file that the server's key must be in." },
    { "username", ARG_STRING, 0, "", ARG_ANY, NULL, "Who logs in; asked when empty." },
    { "password", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Password; asked when empty and nothing else is given." },
    { "private-key", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Private key to log in with, OpenSSH or PEM." },
    { "public-key", ARG_TEXT, 0, "", ARG_ANY, NULL,
      "Public key or certificate that belongs to private-key." },
    { "passphrase", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL,
      "Passphrase of private-key; asked when it needs one." },
    { "command", ARG_TEXT, 0, "", ARG_ANY, NULL, "Command to run instead of the login shell." },
    { "server-alive-interval", ARG_INT, 0, "0", 0, 86400, NULL,
      "Seconds between keep-alive messages to the server; 0 for none, 1 counts as 2." },
    { "locale", ARG_STRING, 0, "", ARG_ANY, NULL, "LANG on the target, such as en_GB.UTF-8." },
    { "timezone", ARG_STRING, 0, "", ARG_ANY, NULL, "TZ on the target; the browser's when empty." },
    { "enable-agent", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Not done yet: no agent is forwarded, and the log says so." },
    { "enable-sftp", ARG_BOOL, 0, "false", ARG_ANY, NULL, "Files over the same connection." },
    { "sftp-root-directory", ARG_STRING, 0, "/", ARG_ANY, NULL,
      "Folder of the target that is shown as the top." },
    { "sftp-disable-download", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file leaves the target." },
    { "sftp-disable-upload", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file reaches the target." },
};

const struct arg_table args_ssh = { rows, ARRAY_LEN(rows) };
