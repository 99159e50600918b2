/* Codes to words: the causes that a person can do something about have their own status. */
#include "guacd/backends/rdp/explain.h"

#include <string.h>

#include "guacd/backends/rdp/freerdp.h"
#include "tests/unit/unit.h"

static void connect_says(uint32_t error, uint32_t info, int status, const char *word) {
    struct err e = { 0 };
    ck_assert_int_eq(explain_connect(error, info, &e), -1);
    ck_assert_msg(e.status == status && strstr(e.text, word), "0x%08X 0x%X: 0x%04X %s", error, info,
                  e.status, e.text);
}

START_TEST(connecting) {
    connect_says(FREERDP_ERROR_AUTHENTICATION_FAILED, 0, 0x0301, "wrong");
    connect_says(FREERDP_ERROR_CONNECT_LOGON_FAILURE, 0, 0x0301, "wrong");
    connect_says(FREERDP_ERROR_CONNECT_ACCOUNT_LOCKED_OUT, 0, 0x0303, "locked");
    connect_says(FREERDP_ERROR_CONNECT_ACCOUNT_DISABLED, 0, 0x0303, "disabled");
    connect_says(FREERDP_ERROR_CONNECT_ACCOUNT_EXPIRED, 0, 0x0303, "expired");
    connect_says(FREERDP_ERROR_CONNECT_PASSWORD_EXPIRED, 0, 0x0303, "password has expired");
    connect_says(FREERDP_ERROR_SECURITY_NEGO_CONNECT_FAILED, 0, 0x0203, "set security to");
    connect_says(FREERDP_ERROR_CONNECT_ACTIVATION_TIMEOUT, 0, 0x0202, "stopped answering");
    connect_says(FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, 0, 0x0203, "hung up");
    connect_says(0x0002FFFF, 0, 0x0203, "0x0002FFFF");
}
END_TEST

/* The server's own reason says more than that the connection broke. */
START_TEST(the_servers_reason_first) {
    connect_says(FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, ERRINFO_LICENSE_NO_LICENSE, 0x0208,
                 "licence");
    connect_says(FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES,
                 0x0303, "group");
    connect_says(FREERDP_ERROR_SERVER_DENIED_CONNECTION, 0, 0x0303, "denies");
    connect_says(FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, ERRINFO_LOGOFF_BY_USER, 0x020B, "ended");
}
END_TEST

static void end_says(uint32_t error, uint32_t info, int result, int status, const char *word) {
    struct err e = { 0 };
    ck_assert_int_eq(explain_end(error, info, &e), result);
    ck_assert_int_eq(e.status, status);
    ck_assert_msg(!word || strstr(e.text, word), "%s", e.text);
}

START_TEST(ending) {
    end_says(0, ERRINFO_LOGOFF_BY_USER, 0, 0, NULL);
    end_says(0, 0, 0, 0, NULL);
    end_says(0, ERRINFO_DISCONNECTED_BY_OTHER_CONNECTION, -1, 0x0209, "in use elsewhere");
    end_says(0, ERRINFO_IDLE_TIMEOUT, -1, 0x020A, "too long");
    end_says(0, ERRINFO_RPC_INITIATED_DISCONNECT, -1, 0x020B, "administrator");
    end_says(0, ERRINFO_VC_DATA_TOO_LONG, -1, 0x0203, "error in the protocol");
    end_says(0, 0x4242, -1, 0x0203, "0x4242");
    end_says(FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, 0, -1, 0x0203, "broke");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("rdp-explain");
    TCase *t = tcase_create("explain");
    tcase_add_test(t, connecting);
    tcase_add_test(t, the_servers_reason_first);
    tcase_add_test(t, ending);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
