/* Policy: what authd decided about one session, told to the process that has to keep it. Ignored
 * unless the session came from authd, so every default is what stock mode does. authd sends every
 * row. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "session", ARG_STRING, ARG_GATEWAY, "", ARG_ANY, NULL,
      "The session's UUID: open record, control socket and `ready` carry it." },
    { "connection", ARG_STRING, ARG_GATEWAY, "", ARG_ANY, NULL, "namespace/name of the resource." },
    { "owner", ARG_STRING, ARG_GATEWAY, "", ARG_ANY, NULL, "The person's `sub`." },
    { "owner-name", ARG_STRING, ARG_GATEWAY, "", ARG_ANY, NULL, "The person's name to show." },
    { "started", ARG_INT, ARG_GATEWAY, "0", 0, 253402300799999, NULL,
      "When the open record was made, Unix milliseconds." },
    { "grace", ARG_INT, ARG_GATEWAY, "0", ARG_SECONDS, NULL,
      "Seconds that a session waits for its owner to come back; 60 in a gateway that says "
      "nothing." },
    { "max-duration", ARG_INT, ARG_GATEWAY, "0", ARG_SECONDS, NULL,
      "Seconds after which the session ends; 0 for never." },
    { "duration-reason", ARG_ENUM, ARG_GATEWAY, "duration", ARG_ANY, "duration|approval",
      "Whether max-duration is the connection's own or what is left of an approval." },
    { "idle-timeout", ARG_INT, ARG_GATEWAY, "0", ARG_SECONDS, NULL,
      "Seconds without input after which the session ends; 0 for never." },
    { "warn-before", ARG_INT, ARG_GATEWAY, "60", ARG_SECONDS, NULL,
      "Seconds before either end at which the users are warned." },
    { "recording", ARG_ENUM, ARG_GATEWAY, "full", ARG_ANY, "full|events",
      "What goes to the tap: everything, or events only." },
    { "recording-keys", ARG_ENUM, ARG_GATEWAY, "full", ARG_ANY, "full|masked|off",
      "Typed keys in the recording: all, all but likely secrets, none." },
    { "allow-copy", ARG_BOOL, ARG_GATEWAY, "true", ARG_ANY, NULL,
      "Clipboard from the target to the browser." },
    { "allow-paste", ARG_BOOL, ARG_GATEWAY, "true", ARG_ANY, NULL,
      "Clipboard from the browser to the target." },
    { "allow-download", ARG_BOOL, ARG_GATEWAY, "true", ARG_ANY, NULL,
      "Files from the target to the browser." },
    { "allow-upload", ARG_BOOL, ARG_GATEWAY, "true", ARG_ANY, NULL,
      "Files from the browser to the target." },
    { "helper-files", ARG_BOOL, ARG_GATEWAY, "false", ARG_ANY, NULL,
      "Helpers may use the target's files like the owner." },
    { "file-size-limit", ARG_INT, ARG_GATEWAY, "0", 0, 1125899906842624, NULL,
      "Bytes that one transferred file may have; 0 for no limit." },
    { "require-tap", ARG_BOOL, ARG_GATEWAY, "false", ARG_ANY, NULL,
      "End the session when its tap stays cut, instead of going on within the limits." },
    { "tap-soft-limit", ARG_INT, ARG_GATEWAY, "8388608", 65536, 1073741824, NULL,
      "Bytes the store has not acknowledged at which the session pauses." },
    { "tap-hard-limit", ARG_INT, ARG_GATEWAY, "16777216", 65536, 1073741824, NULL,
      "Bytes the store has not acknowledged at which the session ends." },
    { "tap-soft-delay", ARG_INT, ARG_GATEWAY, "5000", 100, 3600000, NULL,
      "Milliseconds the store may be behind before the session pauses." },
    { "tap-hard-delay", ARG_INT, ARG_GATEWAY, "10000", 100, 3600000, NULL,
      "Milliseconds the store may be behind before the session ends." },
    { "address-allow", ARG_TEXT, ARG_GATEWAY, "", ARG_ANY, NULL,
      "Addresses that may be dialled beyond the default, as base/dial reads them." },
    { "address-deny", ARG_TEXT, ARG_GATEWAY, "", ARG_ANY, NULL,
      "Addresses that may never be dialled." },
    { "host-key-policy", ARG_ENUM, ARG_GATEWAY, "ask", ARG_ANY, "known|ask|pin",
      "An SSH server's key that is not known: refuse it, ask the owner, or accept host-key only." },
};

const struct arg_table args_gateway = { rows, ARRAY_LEN(rows) };
