/* The one home of FreeRDP's and WinPR's headers, which do not compile without warnings under our
 * flags. */
#ifndef GUAC_RDP_FREERDP_H
#define GUAC_RDP_FREERDP_H

#include "guacd/proto/status.h" /* before WinPR makes one of its names a macro */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include <freerdp/addin.h>
#include <freerdp/channels/channels.h>
#include <freerdp/channels/rdpdr.h>
#include <freerdp/client.h>
#include <freerdp/client/channels.h>
#include <freerdp/client/cliprdr.h>
#include <freerdp/client/cmdline.h>
#include <freerdp/client/disp.h>
#include <freerdp/client/rdpgfx.h>
#include <freerdp/client/rdpsnd.h>
#include <freerdp/codecs.h>
#include <freerdp/error.h>
#include <freerdp/freerdp.h>
#include <freerdp/gdi/gdi.h>
#include <freerdp/gdi/gfx.h>
#include <freerdp/input.h>
#include <freerdp/primitives.h>
#include <freerdp/settings.h>
#include <freerdp/svc.h>
#include <freerdp/transport_io.h>
#include <winpr/clipboard.h>
#include <winpr/ssl.h>
#include <winpr/synch.h>
#include <winpr/wlog.h>
#pragma GCC diagnostic pop
#undef STATUS_SUCCESS

#endif
