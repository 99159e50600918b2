#include "guacd/backends/kubernetes/script.h"

#include "guacd/backends/kubernetes/http1.h"

/* Entries: find and stat where both can do it (links are followed, those that lead nowhere are told
 * as links); else by the shell alone, without sizes.
 *
 * GNU's tar takes a backslash in a name for more than that unless it is told not to.
 *
 * A file that is got has an input whose end is the connection's: a node stops reading what tar
 * writes when nobody wants it any more, and tells nobody, so tar would wait in the container for
 * ever.
 *
 * A file that is put is opened by the shell and written in place, so that its owner, its rights and
 * its other names stay; one that was not there before is removed again when tar fails. tar fails
 * too when the connection is cut: see the block that copy.c holds back. What still comes is read to
 * its end then: a node lets go of a program that does not read before it tells how it ended. */
static const char script[] =
    "p=$(printf \"$2x\")\n"
    "p=${p%x}\n"
    "d=${p%/*}\n"
    "d=${d:-/}\n"
    "above() {\n"
    "  [ -d \"$1\" ] || mkdir -p \"$1\" 2>/dev/null && return\n"
    "  a=$1\n"
    "  while [ -n \"$a\" ] && [ ! -e \"$a\" ]; do a=${a%/*}; done\n"
    "  [ -d \"${a:-/}\" ] && exit 72\n"
    "  exit 75\n"
    "}\n"
    "list() {\n"
    "  f='%f %s %Y %n/'\n"
    "  if stat -L -c \"$f\" . && find -L . -prune -exec true {} +; then\n"
    "    exec 2>/dev/null >&3\n"
    "    find -L . ! -name . -prune ! -type l -exec stat -L -c \"$f\" {} +\n"
    "    find -L . ! -name . -prune -type l -exec stat -c \"$f\" {} +\n"
    "    return\n"
    "  fi >/dev/null 2>&1\n"
    "  for f in * .*; do\n"
    "    m=1000\n"
    "    [ -d \"$f\" ] && m=4000\n"
    "    [ -f \"$f\" ] && m=8000\n"
    "    case $f in .|..) ;; *) [ -e \"$f\" ] && printf '%s -1 0 ./%s/\\n' $m \"$f\" ;; esac\n"
    "  done\n"
    "}\n"
    "case $1 in\n"
    "get)\n"
    "  if [ -d \"$p\" ]; then\n"
    "    cd \"$p\" 2>/dev/null && [ -r . ] || exit 72\n"
    "    echo folder\n"
    "    list 3>&1\n"
    "    exit 0\n"
    "  fi\n"
    "  [ -e \"$p\" ] || exit 71\n"
    "  [ -f \"$p\" ] || exit 73\n"
    "  [ -r \"$p\" ] && cd \"$d\" 2>/dev/null || exit 72\n"
    "  command -v tar >/dev/null 2>&1 || exit 74\n"
    "  echo file\n"
    "  tar --no-unquote --version >/dev/null 2>&1 && set -- --no-unquote || set --\n"
    "  exec 3<&0\n"
    "  tar \"$@\" -chf - \"./${p##*/}\" &\n"
    "  t=$!\n"
    "  { while read -r x; do :; done; kill $t; } <&3 >/dev/null 2>&1 &\n"
    "  w=$!\n"
    "  wait $t\n"
    "  s=$?\n"
    "  kill $w 2>/dev/null\n"
    "  exit $s ;;\n"
    "put)\n"
    "  command -v tar >/dev/null 2>&1 || exit 74\n"
    "  [ -d \"$p\" ] && exit 76\n"
    "  above \"$d\"\n"
    "  [ -e \"$p\" ] && new= || new=1\n"
    "  (: >\"$p\") 2>/dev/null || exit 72\n"
    "  echo ready\n"
    "  if tar -xOf - >\"$p\"; then wc -c <\"$p\"; exit 0; fi\n"
    "  [ \"$new\" ] && rm -f \"$p\"\n"
    "  echo failed\n"
    "  cat >/dev/null\n"
    "  exit 77 ;;\n"
    "folder)\n"
    "  above \"$p\" ;;\n"
    "esac\n";

static void word(struct buf *out, const char *text) {
    buf_puts(out, "command=");
    http1_escape(out, text);
    buf_putc(out, '&');
}

/* Names are bytes of the target; what runs a command takes UTF-8 alone. */
static void path_format(struct buf *out, const char *path) {
    for (const unsigned char *p = (const unsigned char *)path; *p; p++)
        if (*p == '%' || *p == '\\')
            buf_printf(out, "%c%c", *p, *p);
        else if (*p < ' ' || *p > '~')
            buf_printf(out, "\\%03o", *p);
        else
            buf_putc(out, (char)*p);
}

void script_query(struct buf *out, const char *verb, const char *path) {
    _buf_cleanup_ struct buf format = { 0 };
    buf_init(&format, out->max);
    path_format(&format, path);
    word(out, "sh");
    word(out, "-c");
    word(out, script);
    word(out, "sh");
    word(out, verb);
    word(out, buf_str(&format));
}
