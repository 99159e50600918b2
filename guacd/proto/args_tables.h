/* The tables that args.c puts together to protocols. Private to guacd/proto.
 *
 * Names, meanings and defaults are those of Guacamole's manual, since users' templates carry them;
 * where a default differs the row's comment says why. Local file paths (recordings, typescripts,
 * drives) are stock mode's: in a gateway the recorder keeps the session. */
#ifndef GUAC_PROTO_ARGS_TABLES_H
#define GUAC_PROTO_ARGS_TABLES_H

#include "guacd/proto/args.h"

struct arg_table {
    const struct arg_spec *rows;
    size_t count;
};

extern const struct arg_table args_ssh, args_vnc, args_rdp, args_kubernetes, args_demo;
extern const struct arg_table args_terminal; /* ssh, kubernetes */
extern const struct arg_table args_sftp;     /* beside vnc and rdp */
extern const struct arg_table args_common;   /* all: clipboard, recording files, wake-on-LAN */
extern const struct arg_table args_gateway;  /* all: policy from authd */

/* ARG_INT's bounds, as columns min and max. */
#define ARG_PORT 1, 65535
#define ARG_ANY 0, 0
#define ARG_SECONDS 0, 31536000

#endif
