/* The page's first question: who am I, and what may I do here? And a script's: what is there to
 * ask? */

#include "proxy/authd/evidence_ask.h"
#include "proxy/authd/route.h"

/* The interface as OpenAPI: the program carries the very file that lies beside this one, so what is
 * served is of the version that answers. */
__asm__(".section .rodata\n"
        "api_openapi_json:\n.incbin \"proxy/authd/openapi.json\"\n"
        "api_openapi_json_end:\n.byte 0\n.previous\n");
extern const char api_openapi_json[], api_openapi_json_end[];

void api_openapi(struct exchange *x) {
    buf_add(&x->text, api_openapi_json, (size_t)(api_openapi_json_end - api_openapi_json));
    x->status = x->text.failed ? 500 : 200;
    exchange_header(x, "content-type", "application/json; charset=utf-8");
}

void api_me(struct exchange *x) {
    char csrf[COOKIE_CSRF_LEN + 1];
    struct snapshot *s = catalog_snapshot(x->a->catalog);
    const bool audits = authd_can_audit(x->a, x->who);
    authd_csrf(x->a, x->who->sid, csrf);
    exchange_json(
        x, 200,
        json_pack(
            "{s:s, s:s, s:O, s:O, s:s?, s:I, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:I, s:b}",
            "sub", x->who->sub, "name", x->who->name, "roles", x->who->roles, "groups",
            x->who->groups, "acr", x->who->acr, "authTime", (json_int_t)(x->who->auth_time * 1000),
            "refreshSeconds", x->who->refresh ? API_REFRESH_S : 0, "canOperate",
            authd_can_operate(x->a, x->who, s), "canAudit", audits, "canExport",
            audits && evidence_exports_made(x), "canModerate", authd_can_moderate(x->a, x->who),
            "canApprove", authd_can_approve(x->a, x->who, s), "canLock",
            authd_can_moderate(x->a, x->who), "csrf", csrf, "expires",
            (json_int_t)(x->who->exp * 1000), "refresh", x->who->refresh != NULL));
    snapshot_unref(s);
}
