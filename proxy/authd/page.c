/* HTML by hand: there is one page. */
#include "proxy/authd/page.h"

int page_escape(struct buf *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, *text);
        }
    }
    return out->failed ? -1 : 0;
}

static void paragraph(struct buf *out, const char *class, const char *text) {
    buf_printf(out, "<p class=\"%s\">", class);
    page_escape(out, text);
    buf_puts(out, "</p>\n");
}

static void link_to(struct buf *out, const char *class, struct page_link link) {
    if (!link.href)
        return;
    buf_printf(out, "<a class=\"%s\" href=\"", class);
    page_escape(out, link.href);
    buf_puts(out, "\">");
    page_escape(out, link.text);
    buf_puts(out, "</a>\n");
}

int page_error(struct buf *out, enum failure f, const char *detail, const char *id,
               struct page_link again, struct page_link other) {
    const struct failure_row *row = failure_row(f);
    buf_puts(out,
             "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    page_escape(out, row->title);
    buf_printf(out,
               "</title>\n<link rel=\"stylesheet\" href=\"/error.css\">\n"
               "<link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\n</head>\n"
               "<body class=\"error error-%s\">\n<main class=\"error-box\">\n"
               "<h1 class=\"error-title\">",
               row->reason);
    page_escape(out, row->title);
    buf_puts(out, "</h1>\n");
    if (detail && *detail)
        paragraph(out, "error-detail", detail);
    paragraph(out, "error-advice", row->advice);
    buf_puts(out, "<p class=\"error-actions\">\n");
    link_to(out, "error-again", again);
    link_to(out, "error-other", other);
    buf_puts(out, "</p>\n<p class=\"error-id\">");
    page_escape(out, id);
    return buf_puts(out, "</p>\n</main>\n</body>\n</html>\n");
}
