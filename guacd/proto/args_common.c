/* Rows that all protocols share. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "read-only", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Watch only: no key, pointer or clipboard of this user reaches the target." },
    { "disable-copy", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "What is copied on the target stays there." },
    { "disable-paste", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "What is copied in the browser does not reach the target." },
    { "clipboard-buffer-size", ARG_INT, 0, "262144", 262144, 52428800, NULL,
      "Bytes that one clipboard content may have." },

    { "recording-path", ARG_STRING, ARG_LOCAL, "", ARG_ANY, NULL,
      "Folder for a recording made by guacd itself." },
    { "recording-name", ARG_STRING, ARG_LOCAL, "recording", ARG_ANY, NULL,
      "File name of that recording; a number is added if it exists." },
    { "recording-exclude-output", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Leave the picture out of that recording." },
    { "recording-exclude-mouse", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Leave the pointer out of that recording." },
    { "recording-exclude-touch", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Leave touches out of that recording." },
    { "recording-include-keys", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Put typed keys into that recording." },
    { "recording-include-clipboard", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Put clipboard contents into that recording." },
    { "create-recording-path", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Make the last folder of recording-path if it is not there." },
    { "recording-write-existing", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Write into a file that is there already." },

    { "wol-send-packet", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Wake the target by a magic packet before connecting." },
    { "wol-mac-addr", ARG_STRING, 0, "", ARG_ANY, NULL,
      "Hardware address of the machine to wake, as 00:11:22:33:44:55." },
    { "wol-broadcast-addr", ARG_STRING, ARG_HOST, "255.255.255.255", ARG_ANY, NULL,
      "Address that the magic packet is sent to." },
    { "wol-udp-port", ARG_INT, ARG_HOST, "9", ARG_PORT, NULL,
      "UDP port that the magic packet is sent to." },
    { "wol-wait-time", ARG_INT, 0, "0", 0, 3600, NULL,
      "Seconds to wait for the machine after the magic packet." },
};

const struct arg_table args_common = { rows, ARRAY_LEN(rows) };
