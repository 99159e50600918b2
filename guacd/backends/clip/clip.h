/* Text of clipboards between what VNC and RDP servers speak and UTF-8. Pure; compiled into both
 * backends. Made here and not by iconv, which loads a module for each encoding: impossible behind
 * the sandbox. */
#ifndef GUAC_CLIP_CLIP_H
#define GUAC_CLIP_CLIP_H

#include <stdbool.h>
#include <stddef.h>

#include "guacd/base/buf.h"

enum clip_encoding { CLIP_LATIN1, CLIP_UTF8, CLIP_UTF16, CLIP_CP1252 };

/* As clipboard-encoding has it; anything else is Latin-1. */
enum clip_encoding clip_encoding_parse(const char *name);
/* Append as UTF-8. What cannot be read becomes U+FFFD; CR LF becomes LF; ends at the first NUL (of
 * the encoding's width). UTF-16 is little-endian unless a mark says otherwise. -1: out is full. */
int clip_to_utf8(enum clip_encoding from, const void *data, size_t len, struct buf *out);
/* Whether all of it is in Latin-1, the encoding of RFB's own cut text. */
bool clip_is_latin1(const char *text, size_t len);
/* Append UTF-8 text in that encoding, without mark. What it cannot say becomes '?'. */
int clip_from_utf8(enum clip_encoding to, const char *text, size_t len, struct buf *out);
/* Append UTF-8 text with lines that end in CR LF or in LF, however they did (CRs before an LF are
 * its own, others stay). -1: out is full. */
int clip_lines(const char *text, size_t len, bool with_cr, struct buf *out);

#endif
