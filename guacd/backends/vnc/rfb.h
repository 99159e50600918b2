/* The one home of libvncclient's header, which does not compile without warnings under our flags.
 */
#ifndef GUAC_VNC_RFB_H
#define GUAC_VNC_RFB_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <rfb/rfbclient.h>
#pragma GCC diagnostic pop

#endif
