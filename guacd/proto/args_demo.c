/* The demo backend is the test double of the whole stack: its rows make it move, ask, fail. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "hostname", ARG_STRING, ARG_HOST, "", ARG_ANY, NULL,
      "Dial this host first, and show what came of it." },
    { "port", ARG_INT, ARG_HOST, "7", ARG_PORT, NULL, "Its TCP port." },
    { "timeout", ARG_INT, 0, "5", 1, 300, NULL, "Seconds to wait for the connection." },
    { "username", ARG_STRING, 0, "", ARG_ANY, NULL, "Greeted by name." },
    { "password", ARG_TEXT, ARG_SECRET, "", ARG_ANY, NULL, "Compared with nothing, never shown." },
    { "ask", ARG_BOOL, 0, "false", ARG_ANY, NULL,
      "Ask for username and password in the page when they are empty." },
    { "color", ARG_STRING, ARG_LIVE, "#204060", ARG_ANY, NULL, "Background, as #rrggbb." },
    { "fps", ARG_INT, ARG_LIVE, "0", 0, 120, NULL, "How often a second the picture moves." },
    { "fail", ARG_INT, 0, "0", 0, 65535, NULL,
      "Fail to open with this status, instead of opening." },
    { "duration", ARG_INT, 0, "0", 0, 86400000, NULL,
      "Milliseconds after which the target ends by itself; 0 for never." },
    { "enable-files", ARG_BOOL, 0, "false", ARG_ANY, NULL, "Show a few files, kept in memory." },
    { "disable-download", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file leaves the demo." },
    { "disable-upload", ARG_BOOL, 0, "false", ARG_ANY, NULL, "No file reaches the demo." },
};

const struct arg_table args_demo = { rows, ARRAY_LEN(rows) };
