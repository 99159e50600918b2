/* Stage B's debug switch: say which system call was refused, then refuse it. */
#ifndef GUAC_BASE_SANDBOX_TRAP_H
#define GUAC_BASE_SANDBOX_TRAP_H

#include "guacd/base/err.h"

/* Before the filter, since names cannot be looked up in a signal handler. */
int sandbox_trap(struct err *e);

#endif
