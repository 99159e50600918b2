/* What FreeRDP's codes mean to a person: a Guacamole status and a sentence. Pure. */
#ifndef GUAC_RDP_EXPLAIN_H
#define GUAC_RDP_EXPLAIN_H

#include <stdint.h>

#include "guacd/base/err.h"

/* Why connecting failed: the library's last error, and the reason a server gave (Set Error Info,
 * MS-RDPBCGR 2.2.5.1.1; 0: none), which says more. Always -1. */
int explain_connect(uint32_t error, uint32_t info, struct err *e);
/* Why a session ended. 0: as sessions end (logged off). -1 with e. */
int explain_end(uint32_t error, uint32_t info, struct err *e);

#endif
