/* A picture of pixels, for targets that send pixels: demo, VNC, RDP. The backend draws into one
 * buffer; sealing a frame compares what was damaged with what was sealed before, row by row, and
 * copies what differs. Tiles of 64x64 carry the number of the frame that changed them last, which
 * answers "what changed since frame n" for everybody. */
#ifndef GUAC_DISPLAY_SURFACE_H
#define GUAC_DISPLAY_SURFACE_H

#include <stddef.h>
#include <stdint.h>

#include "guacd/display/picture.h"

#define SURFACE_TILE 64
#define SURFACE_SIDE_MAX 8192
#define SURFACE_AREA_MAX (40u << 20) /* pixels */
#define SURFACE_CURSOR_MAX 256       /* side */
#define SURFACE_EVERY_US 16000       /* between frames of a flood: what screens show */

struct surface;

/* Sides are clamped to 1..SURFACE_SIDE_MAX, and the height further to SURFACE_AREA_MAX. Black. NULL
 * without memory. */
struct surface *surface_new(int width, int height);
void surface_free(struct surface *s); /* NULL is fine */
/* The surface's own picture; lives as long as it. */
struct picture *surface_picture(struct surface *s);

/* Below: the backend's thread. */

/* New size; what was there keeps its place, the rest is black. -1 without memory: nothing changed.
 */
int surface_resize(struct surface *s, int width, int height);
void surface_get_size(const struct surface *s, int *width, int *height);
/* Locks and gives the pixels, 0x??RRGGBB, *stride in pixels. No frame is sealed until
 * surface_end(). */
uint32_t *surface_begin(struct surface *s, size_t *stride);
/* Unlocks. Whatever was written lies in this rectangle (clipped; empty is fine). */
void surface_end(struct surface *s, int x, int y, int width, int height);
/* Both at once, clipped. */
void surface_fill(struct surface *s, int x, int y, int width, int height, uint32_t color);
void surface_put(struct surface *s, int x, int y, int width, int height, const uint32_t *pixels,
                 size_t stride);
/* As surface_begin() for a library that decodes into the pixels while it waits for its peer: the
 * lock is not kept, but no frame is sealed before surface_release(), which ends it as surface_end()
 * does. The other calls may come between; sealing again needs a session_damage() after it. */
uint32_t *surface_hold(struct surface *s, size_t *stride);
void surface_release(struct surface *s, int x, int y, int width, int height);
/* Moves pixels inside the surface (may overlap; nothing happens unless both rectangles lie inside
 * it) and lets the next frame do it by `copy`. */
void surface_copy(struct surface *s, int src_x, int src_y, int width, int height, int dst_x,
                  int dst_y);
/* Photographs that move go out as JPEG, where users take it; never after surface_lossless(s, true).
 * They are sharpened by frames sealed a second later: surface_blurred() says that there is
 * something to sharpen, and that a session_damage() now and then is needed for it. */
void surface_lossless(struct surface *s, bool lossless);
bool surface_blurred(const struct surface *s);
/* Pointer shape, 0xAARRGGBB with straight alpha; sides 1..SURFACE_CURSOR_MAX, else ignored. */
void surface_cursor(struct surface *s, int width, int height, int hot_x, int hot_y,
                    const uint32_t *pixels);

#endif
