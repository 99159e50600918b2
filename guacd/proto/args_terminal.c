/* Rows of every protocol that shows a terminal. */
#include "guacd/proto/args_tables.h"

#include "guacd/base/util.h"

static const struct arg_spec rows[] = {
    { "font-name", ARG_STRING, ARG_LIVE, "monospace", ARG_ANY, NULL,
      "Font family of the terminal, as fontconfig knows it." },
    { "font-size", ARG_INT, ARG_LIVE, "12", 1, 200, NULL, "Font size in points." },
    { "color-scheme", ARG_TEXT, ARG_LIVE, "", ARG_ANY, NULL,
      "A scheme (black-white, gray-black, green-black, white-black) or its colours: "
      "\"foreground: rgb:ff/ff/ff; background: color0; …\"." },
    { "scrollback", ARG_INT, 0, "1000", 0, 100000, NULL, "Lines kept above the screen." },
    { "backspace", ARG_ENUM, 0, "127", ARG_ANY, "127|8",
      "Code sent by the backspace key: 127 (delete) or 8 (backspace)." },
    { "func-keys-and-keypad", ARG_ENUM, 0, "", ARG_ANY, "vt100",
      "Function keys F1 to F4 and the keypad as on a VT100 instead of as xterm sends them." },
    /* Stock guacd says linux; ours speaks what xterm-256color describes. */
    { "terminal-type", ARG_STRING, 0, "xterm-256color", ARG_ANY, NULL, "TERM on the target." },

    { "typescript-path", ARG_STRING, ARG_LOCAL, "", ARG_ANY, NULL,
      "Folder for a typescript made by guacd itself." },
    { "typescript-name", ARG_STRING, ARG_LOCAL, "typescript", ARG_ANY, NULL,
      "File name of that typescript." },
    { "create-typescript-path", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Make the last folder of typescript-path if it is not there." },
    { "typescript-write-existing", ARG_BOOL, ARG_LOCAL, "false", ARG_ANY, NULL,
      "Write into a file that is there already." },
};

const struct arg_table args_terminal = { rows, ARRAY_LEN(rows) };
