/* What this build is called. In an object of its own: a new commit compiles one file, not all. */
#ifndef GUAC_BASE_VERSION_H
#define GUAC_BASE_VERSION_H

extern const char guac_version[]; /* as `git describe` says, printable ASCII */

#endif
