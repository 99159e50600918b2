#include "guacd/backends/rdp/explain.h"

#include <stdbool.h>
#include <stddef.h>

#include "guacd/backends/rdp/freerdp.h"
#include "guacd/base/util.h"
#include "guacd/proto/status.h"

struct meaning {
    uint32_t code;
    int status; /* 0: an end without error */
    const char *text;
};

/* What a server says before it hangs up. */
static const struct meaning infos[] = {
    { ERRINFO_RPC_INITIATED_DISCONNECT, STATUS_SESSION_CLOSED,
      "an administrator disconnected the session on the RDP server" },
    { ERRINFO_RPC_INITIATED_LOGOFF, STATUS_SESSION_CLOSED,
      "an administrator logged the session off on the RDP server" },
    { ERRINFO_IDLE_TIMEOUT, STATUS_SESSION_TIMEOUT,
      "the RDP server ended the session: nobody used it for too long" },
    { ERRINFO_LOGON_TIMEOUT, STATUS_SESSION_TIMEOUT,
      "the RDP server ended the session: its time is over" },
    { ERRINFO_DISCONNECTED_BY_OTHER_CONNECTION, STATUS_SESSION_CONFLICT,
      "the session is in use elsewhere: somebody connected to it with the same account" },
    { ERRINFO_OUT_OF_MEMORY, STATUS_UPSTREAM_UNAVAILABLE, "the RDP server is out of memory" },
    { ERRINFO_SERVER_DENIED_CONNECTION, STATUS_CLIENT_FORBIDDEN,
      "the RDP server denies the connection" },
    { ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES, STATUS_CLIENT_FORBIDDEN,
      "this account may not log in by remote desktop: it is not in the group that may" },
    { ERRINFO_SERVER_FRESH_CREDENTIALS_REQUIRED, STATUS_CLIENT_UNAUTHORIZED,
      "the RDP server does not take saved credentials: type user name and password" },
    { ERRINFO_RPC_INITIATED_DISCONNECT_BY_USER, 0, "disconnected on the RDP server" },
    { ERRINFO_LOGOFF_BY_USER, 0, "logged off" },
    { ERRINFO_CLOSE_STACK_ON_DRIVER_NOT_READY, STATUS_UPSTREAM_ERROR,
      "the RDP server's display driver is not ready" },
    { ERRINFO_SERVER_DWM_CRASH, STATUS_UPSTREAM_ERROR, "the RDP server's window manager crashed" },
    { ERRINFO_CLOSE_STACK_ON_DRIVER_FAILURE, STATUS_UPSTREAM_ERROR,
      "the RDP server's display driver failed" },
    { ERRINFO_CLOSE_STACK_ON_DRIVER_IFACE_FAILURE, STATUS_UPSTREAM_ERROR,
      "the RDP server's display driver failed" },
    { ERRINFO_SERVER_WINLOGON_CRASH, STATUS_UPSTREAM_ERROR, "the RDP server's login crashed" },
    { ERRINFO_SERVER_CSRSS_CRASH, STATUS_UPSTREAM_ERROR, "the RDP server crashed" },
    { ERRINFO_LICENSE_INTERNAL, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed on the RDP server (internal error)" },
    { ERRINFO_LICENSE_NO_LICENSE_SERVER, STATUS_UPSTREAM_UNAVAILABLE,
      "the RDP server finds no licence server" },
    { ERRINFO_LICENSE_NO_LICENSE, STATUS_UPSTREAM_UNAVAILABLE,
      "the RDP server has no client licence left" },
    { ERRINFO_LICENSE_BAD_CLIENT_MSG, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: the server did not understand this client" },
    { ERRINFO_LICENSE_HWID_DOESNT_MATCH_LICENSE, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: the licence is for another client" },
    { ERRINFO_LICENSE_BAD_CLIENT_LICENSE, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: the licence does not hold" },
    { ERRINFO_LICENSE_CANT_FINISH_PROTOCOL, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: it came to no end" },
    { ERRINFO_LICENSE_CLIENT_ENDED_PROTOCOL, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: this client ended it" },
    { ERRINFO_LICENSE_BAD_CLIENT_ENCRYPTION, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: a message was encrypted wrongly" },
    { ERRINFO_LICENSE_CANT_UPGRADE_LICENSE, STATUS_UPSTREAM_UNAVAILABLE,
      "licensing failed: the licence cannot be renewed" },
    { ERRINFO_LICENSE_NO_REMOTE_CONNECTIONS, STATUS_UPSTREAM_UNAVAILABLE,
      "the RDP server is not licensed for remote connections" },
    { ERRINFO_CB_DESTINATION_NOT_FOUND, STATUS_UPSTREAM_NOT_FOUND,
      "the connection broker does not know this destination: look at load-balance-info" },
    { ERRINFO_CB_LOADING_DESTINATION, STATUS_UPSTREAM_UNAVAILABLE,
      "the connection broker is still preparing the destination: try again" },
    { ERRINFO_CB_REDIRECTING_TO_DESTINATION, STATUS_UPSTREAM_UNAVAILABLE,
      "the connection broker could not pass the connection on" },
    { ERRINFO_CB_SESSION_ONLINE_VM_WAKE, STATUS_UPSTREAM_UNAVAILABLE,
      "the virtual machine is waking up: try again" },
    { ERRINFO_CB_SESSION_ONLINE_VM_BOOT, STATUS_UPSTREAM_UNAVAILABLE,
      "the virtual machine is starting: try again" },
    { ERRINFO_CB_SESSION_ONLINE_VM_NO_DNS, STATUS_UPSTREAM_NOT_FOUND,
      "the virtual machine has no name in the DNS" },
    { ERRINFO_CB_DESTINATION_POOL_NOT_FREE, STATUS_UPSTREAM_UNAVAILABLE,
      "all virtual machines of the pool are in use" },
    { ERRINFO_CB_CONNECTION_CANCELLED, STATUS_SESSION_CLOSED,
      "the connection was cancelled at the broker" },
    { ERRINFO_CB_CONNECTION_ERROR_INVALID_SETTINGS, STATUS_UPSTREAM_ERROR,
      "the connection broker does not accept the settings: look at load-balance-info" },
    { ERRINFO_CB_SESSION_ONLINE_VM_BOOT_TIMEOUT, STATUS_UPSTREAM_TIMEOUT,
      "the virtual machine did not start in time" },
    { ERRINFO_CB_SESSION_ONLINE_VM_SESSMON_FAILED, STATUS_UPSTREAM_ERROR,
      "the virtual machine cannot be watched by its broker" },
    { ERRINFO_GRAPHICS_MODE_NOT_SUPPORTED, STATUS_UPSTREAM_ERROR,
      "the RDP server does not support this colour depth or size" },
    { ERRINFO_VIRTUALDESKTOPTOOLARGE, STATUS_CLIENT_BAD_REQUEST,
      "the RDP server does not support a desktop that large" },
};

#define WRONG "user name or password is wrong"
#define UNREACHABLE "the RDP server cannot be reached"

/* Why the library gave up. */
static const struct meaning errors[] = {
    { FREERDP_ERROR_DNS_ERROR, STATUS_UPSTREAM_NOT_FOUND, UNREACHABLE },
    { FREERDP_ERROR_DNS_NAME_NOT_FOUND, STATUS_UPSTREAM_NOT_FOUND, UNREACHABLE },
    { FREERDP_ERROR_CONNECT_FAILED, STATUS_UPSTREAM_UNAVAILABLE, UNREACHABLE },
    { FREERDP_ERROR_CONNECT_TRANSPORT_FAILED, STATUS_UPSTREAM_ERROR,
      "the RDP server hung up while connecting" },
    { FREERDP_ERROR_MCS_CONNECT_INITIAL_ERROR, STATUS_UPSTREAM_ERROR,
      "the RDP server broke the protocol while connecting" },
    { FREERDP_ERROR_CONNECT_UNDEFINED, STATUS_UPSTREAM_ERROR,
      "the RDP server broke the protocol while connecting" },
    { FREERDP_ERROR_CONNECT_CANCELLED, STATUS_UPSTREAM_ERROR,
      "the connection to the RDP server was broken off" },
    { FREERDP_ERROR_TLS_CONNECT_FAILED, STATUS_UPSTREAM_ERROR, "TLS with the RDP server failed" },
    { FREERDP_ERROR_SECURITY_NEGO_CONNECT_FAILED, STATUS_UPSTREAM_ERROR,
      "the RDP server does not take the security this connection asks for: set security to what it "
      "demands (nla; tls; or rdp, which proves nothing about who the server is)" },
    { FREERDP_ERROR_CONNECT_ACTIVATION_TIMEOUT, STATUS_UPSTREAM_TIMEOUT,
      "the RDP server stopped answering while connecting" },
    { FREERDP_ERROR_AUTHENTICATION_FAILED, STATUS_CLIENT_UNAUTHORIZED, WRONG },
    { FREERDP_ERROR_CONNECT_LOGON_FAILURE, STATUS_CLIENT_UNAUTHORIZED, WRONG },
    { FREERDP_ERROR_CONNECT_WRONG_PASSWORD, STATUS_CLIENT_UNAUTHORIZED, WRONG },
    { FREERDP_ERROR_CONNECT_NO_OR_MISSING_CREDENTIALS, STATUS_CLIENT_UNAUTHORIZED,
      "the RDP server wants user name and password" },
    { FREERDP_ERROR_CONNECT_CLIENT_REVOKED, STATUS_CLIENT_FORBIDDEN,
      "the credentials were revoked" },
    { FREERDP_ERROR_CONNECT_ACCESS_DENIED, STATUS_CLIENT_FORBIDDEN,
      "the RDP server denies access to this account" },
    { FREERDP_ERROR_INSUFFICIENT_PRIVILEGES, STATUS_CLIENT_FORBIDDEN,
      "this account may not log in by remote desktop: it is not in the group that may" },
    { FREERDP_ERROR_CONNECT_LOGON_TYPE_NOT_GRANTED, STATUS_CLIENT_FORBIDDEN,
      "this account may not log in by remote desktop" },
    { FREERDP_ERROR_CONNECT_ACCOUNT_RESTRICTION, STATUS_CLIENT_FORBIDDEN,
      "the account's restrictions forbid this login (time, place, or an empty password)" },
    { FREERDP_ERROR_CONNECT_ACCOUNT_LOCKED_OUT, STATUS_CLIENT_FORBIDDEN,
      "the account is locked: too many logins failed, an administrator can unlock it" },
    { FREERDP_ERROR_CONNECT_ACCOUNT_DISABLED, STATUS_CLIENT_FORBIDDEN, "the account is disabled" },
    { FREERDP_ERROR_CONNECT_ACCOUNT_EXPIRED, STATUS_CLIENT_FORBIDDEN, "the account has expired" },
    { FREERDP_ERROR_CONNECT_PASSWORD_EXPIRED, STATUS_CLIENT_FORBIDDEN,
      "the password has expired: change it, or connect with security tls to be asked" },
    { FREERDP_ERROR_CONNECT_PASSWORD_CERTAINLY_EXPIRED, STATUS_CLIENT_FORBIDDEN,
      "the password has expired: change it, or connect with security tls to be asked" },
    { FREERDP_ERROR_CONNECT_PASSWORD_MUST_CHANGE, STATUS_CLIENT_FORBIDDEN,
      "the password has to be changed: connect with security tls to be asked" },
    { FREERDP_ERROR_CONNECT_KDC_UNREACHABLE, STATUS_UPSTREAM_UNAVAILABLE,
      "the domain controller cannot be reached" },
};

static const struct meaning *find(const struct meaning *all, size_t count, uint32_t code) {
    for (size_t i = 0; i < count; i++)
        if (all[i].code == code)
            return &all[i];
    return NULL;
}

/* MS-RDPBCGR 2.2.5.1.1: "this client sent something wrong", and lost connections. */
static bool is_protocol_error(uint32_t info) {
    return info >= ERRINFO_UNKNOWN_DATA_PDU_TYPE && info <= ERRINFO_PEER_DISCONNECTED;
}

static int explain_info(uint32_t info, struct err *e) {
    const struct meaning *m = find(infos, ARRAY_LEN(infos), info);
    if (m && m->status == 0)
        return 0;
    if (m)
        return err_set(e, m->status, "%s", m->text);
    return err_set(e, STATUS_UPSTREAM_ERROR,
                   is_protocol_error(info)
                       ? "the RDP server ended the session over an error in the protocol (0x%X, %s)"
                       : "the RDP server ended the session (0x%X, %s)",
                   info, freerdp_get_error_info_name(info));
}

static bool is_told(uint32_t info) {
    return info != ERRINFO_SUCCESS && info != ERRINFO_NONE;
}

int explain_connect(uint32_t error, uint32_t info, struct err *e) {
    /* The library passes a server's reason on as an error of its own class. */
    if (GET_FREERDP_ERROR_CLASS(error) == FREERDP_ERROR_ERRINFO_CLASS && !is_told(info))
        info = GET_FREERDP_ERROR_TYPE(error);
    if (is_told(info) && explain_info(info, e) < 0)
        return -1;
    if (is_told(info))
        return err_set(e, STATUS_SESSION_CLOSED,
                       "the RDP server ended the session at once: it may want another "
                       "security, or not this user");
    const struct meaning *m = find(errors, ARRAY_LEN(errors), error);
    if (m)
        return err_set(e, m->status, "%s", m->text);
    return err_set(e, STATUS_UPSTREAM_ERROR, "connecting to the RDP server failed (0x%08X, %s)",
                   error, freerdp_get_last_error_name(error));
}

int explain_end(uint32_t error, uint32_t info, struct err *e) {
    if (GET_FREERDP_ERROR_CLASS(error) == FREERDP_ERROR_ERRINFO_CLASS && !is_told(info))
        info = GET_FREERDP_ERROR_TYPE(error);
    if (is_told(info))
        return explain_info(info, e);
    const struct meaning *m = find(errors, ARRAY_LEN(errors), error);
    if (error == FREERDP_ERROR_SUCCESS || error == FREERDP_ERROR_CONNECT_CANCELLED)
        return 0;
    return err_set(e, m ? m->status : STATUS_UPSTREAM_ERROR,
                   "the connection to the RDP server broke (%s)",
                   freerdp_get_last_error_name(error));
}
