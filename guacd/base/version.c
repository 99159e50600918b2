#include "guacd/base/version.h"

#ifndef GUAC_VERSION
#define GUAC_VERSION "unknown"
#endif

const char guac_version[] __attribute__((visibility("default"))) = GUAC_VERSION;
