/* What the sandbox_*.c files share; programs include sandbox.h. */
#ifndef GUAC_BASE_SANDBOX_PARTS_H
#define GUAC_BASE_SANDBOX_PARTS_H

#include <seccomp.h>

#include "guacd/base/sandbox.h"

/* One layer as a kernel of this ABI understands it (tests name lower ones). */
int sandbox_landlock(const struct sandbox_profile *p, int abi, struct err *e);

/* The default path sets of a profile's switches, each ended by a NULL path. */
extern const struct sandbox_path sandbox_paths_libraries[];
extern const struct sandbox_path sandbox_paths_fonts[];
extern const struct sandbox_path sandbox_paths_tls[];

/* Stage A's filter; of the profile only the switches count. */
int sandbox_deny(const struct sandbox_profile *p, struct err *e);
/* Stage B's deny-list form. */
int sandbox_deny_late(unsigned needs, struct err *e);
/* Stage B's allow-list. */
int sandbox_allow(unsigned needs, bool trap, struct err *e);

/* Rows of the filters. Names that this architecture or libseccomp does not know are skipped.
 * Each returns a negative errno, 0 when done, and passes a failure in r through. */
int sandbox_filter_names(scmp_filter_ctx f, uint32_t action, const char *const *names, int r);
int sandbox_filter_arg(scmp_filter_ctx f, uint32_t action, const char *name,
                       struct scmp_arg_cmp cmp, int r);
int sandbox_filter_args(scmp_filter_ctx f, uint32_t action, const char *name, unsigned count,
                        const struct scmp_arg_cmp *cmp, int r);
int sandbox_filter_finish(scmp_filter_ctx f, bool all_threads, int r, struct err *e);

#endif
