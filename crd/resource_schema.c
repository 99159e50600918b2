/* Every field of the gateway's own kinds. */
#include "crd/resource.h"

#include "guacd/base/util.h"

#define AT(member) .offset = offsetof(struct KIND, member)
#define SIZED(member) AT(member), .size = sizeof(((struct KIND *)NULL)->member)
#define NOWHERE .offset = SCHEMA_NOWHERE
#define ROW(path_, type_, help_, ...) \
    { .path = path_, .type = SCHEMA_##type_, .help = help_, __VA_ARGS__ }
#define NEEDED .flags = SCHEMA_NEEDED
#define PERSON(path_, member_, flags_, help_) \
    ROW(path_, OBJECT, help_, NOWHERE, .flags = flags_), \
        ROW(path_ ".sub", TEXT, "The issuer's name for the person.", AT(member_.sub), .max = 255), \
        ROW(path_ ".name", TEXT, "A name to show.", AT(member_.name), .max = 255), \
        ROW(path_ ".username", TEXT, "The cluster's name for the person, by kubectl.", \
            AT(member_.username), .max = 512)

static const struct schema_row user_entry[] = {
    ROW("sub", TEXT, "Who.", NOWHERE, NEEDED, .max = 255),
    ROW("name", TEXT, "A name to show.", NOWHERE, .max = 255),
    ROW("role", CHOICE, "What the person may do.", NOWHERE, .choices = "owner|helper|viewer"),
    ROW("since", TIME, "When the person came.", NOWHERE),
};

static const struct schema_row invite_entry[] = {
    ROW("token", TEXT, "SHA-256 of the link's secret, hexadecimal.", NOWHERE, NEEDED, .max = 64),
    ROW("role", CHOICE, "What the guest may do.", NOWHERE, NEEDED, .choices = "viewer|helper"),
    ROW("by", TEXT, "Who invited.", NOWHERE, .max = 255),
    ROW("until", TIME, "Until when the link may be taken.", NOWHERE, NEEDED),
    ROW("sub", TEXT, "Who took it.", NOWHERE, .max = 255),
    ROW("name", TEXT, "A name to show.", NOWHERE, .max = 255),
    ROW("used", TIME, "When it was taken.", NOWHERE),
};

static const struct schema_row approval_entry[] = {
    ROW("as", TEXT, "The listed role or group.", NOWHERE, NEEDED, .max = 255),
    ROW("sub", TEXT, "Who spoke for it.", NOWHERE, .max = 255),
    ROW("name", TEXT, "A name to show.", NOWHERE, .max = 255),
    ROW("username", TEXT, "The cluster's name, by kubectl.", NOWHERE, .max = 512),
    ROW("at", TIME, "When.", NOWHERE, NEEDED),
    ROW("approval", TEXT, "Name of the GuacamoleApproval.", NOWHERE, .max = 253),
};

#define KIND access_request
static const struct schema_row request_spec[] = {
    ROW("connection", TEXT, "Name of the GuacamoleConnection, in the same namespace.",
        AT(connection), NEEDED, .max = 253, .format = &schema_subdomain),
    PERSON("requester", requester, SCHEMA_NEEDED, "Who asks."),
    ROW("reason", TEXT, "Why.", AT(reason), NEEDED, .max = 1000),
    ROW("minutes", INT, "For how long.", SIZED(minutes), NEEDED, .min = 1, .max = 10080),
    ROW("breakGlass", BOOL, "Emergency: two people approve, and everybody hears of it.",
        AT(break_glass)),
};
static const struct schema_row request_status[] = {
    ROW("phase", CHOICE, "Where it stands.", AT(phase), NEEDED,
        .choices = "Pending|Approved|Denied|Expired|Revoked|Withdrawn"),
    ROW("approvals", LIST, "Approvals that count.", AT(approvals), .max = 64,
        .entry = { approval_entry, ARRAY_LEN(approval_entry) }),
    ROW("approved", TIME, "When the last needed approval came.", AT(approved)),
    ROW("expires", TIME, "When a pending one lapses; when the window of an approved one ends.",
        AT(expires)),
    ROW("session", TEXT, "Session that uses it.", AT(session), .max = 64),
    ROW("message", TEXT, "Who denied or revoked it, and why.", AT(message), .max = 1000),
};
#undef KIND

#define KIND approval
static const struct schema_row approval_spec[] = {
    ROW("request", TEXT, "Name of the GuacamoleAccessRequest, in the same namespace.", AT(request),
        NEEDED, .max = 253, .format = &schema_subdomain),
    ROW("requestUid", TEXT, "metadata.uid of the request that was seen.", AT(request_uid), NEEDED,
        .max = 64),
    ROW("requestVersion", TEXT, "metadata.resourceVersion of the request that was seen.",
        AT(request_version), .max = 64),
    ROW("decision", CHOICE, "Yes, no, or no longer.", AT(decision), NEEDED,
        .choices = "approve|deny|revoke"),
    ROW("as", TEXT, "The listed role or group that the person speaks for.", AT(as), .max = 255),
    PERSON("approver", approver, SCHEMA_NEEDED, "Who decides."),
    ROW("comment", TEXT, "Why.", AT(comment), .max = 1000),
};
static const struct schema_row approval_status[] = {
    ROW("accepted", BOOL, "It counts.", AT(accepted)),
    ROW("seen", TIME, "When the gateway looked at it.", AT(seen)),
    ROW("message", TEXT, "Why it does not count.", AT(message), .max = 1000),
};
#undef KIND

#define KIND session_resource
static const struct schema_row session_spec[] = {
    ROW("connection", TEXT, "Name of the GuacamoleConnection, in the same namespace.",
        AT(connection), NEEDED, .max = 253, .format = &schema_subdomain),
    ROW("protocol", TEXT, "What it speaks.", AT(protocol), .max = 32),
    ROW("target", TEXT, "Where it leads.", AT(target), .max = 300),
    PERSON("owner", owner, SCHEMA_NEEDED, "Whose it is."),
    ROW("gateway", TEXT, "The replica that holds it.", AT(gateway), .max = 253),
    ROW("relay", TEXT, "Where other replicas bring requests for it, address:port.", AT(relay),
        .max = 80),
    ROW("address", TEXT, "The browser's address.", AT(address), .max = 64),
    ROW("request", TEXT, "GuacamoleAccessRequest it came by.", AT(request), .max = 253),
    ROW("sid", TEXT, "The owner's sign-in.", AT(sid), .max = 255),
    ROW("started", TIME, "When it began.", AT(started), NEEDED),
    ROW("until", TIME, "When it ends at the latest.", AT(until)),
};
static const struct schema_row session_status[] = {
    ROW("phase", CHOICE, "Whether it runs.", AT(phase), NEEDED, .choices = "Live|Ended"),
    ROW("recorder", CHOICE, "All is recorded, the store is late, or events only.", AT(recorder),
        .choices = "recorded|behind|events"),
    ROW("users", LIST, "Who is in it.", AT(users), .max = 64,
        .entry = { user_entry, ARRAY_LEN(user_entry) }),
    ROW("invites", LIST, "Links that were given out.", AT(invites), .max = 32,
        .entry = { invite_entry, ARRAY_LEN(invite_entry) }),
    ROW("refreshed", TIME, "When its owner's sign-in was confirmed last.", AT(refreshed)),
    ROW("ticket", INT, "Its turn where sessions are limited.", SIZED(ticket), .max = __LONG_MAX__),
    ROW("updated", TIME, "When its gateway last said so.", AT(updated)),
    ROW("ended", TIME, "When it ended.", AT(ended)),
    ROW("bytes", INT, "Size of its recording.", SIZED(bytes), .max = __LONG_MAX__),
    ROW("recording", TEXT, "Address of its recording.", AT(recording), .max = 1024),
    ROW("reason", TEXT, "Why it ended.", AT(reason), .max = 500),
};
#undef KIND

#define KIND lock
static const struct schema_row lock_spec[] = {
    ROW("sid", TEXT, "One sign-in.", AT(sid), .max = 255),
    ROW("sub", TEXT, "One person.", AT(sub), .max = 255),
    ROW("connection", TEXT, "One connection, namespace/name.", AT(connection), .max = 320,
        .format = &schema_reference),
    ROW("session", TEXT, "One session.", AT(session), .max = 36, .format = &schema_uuid),
    ROW("reason", TEXT, "Why; the person reads it.", AT(reason), NEEDED, .max = 500),
    ROW("until", TIME, "When it lifts by itself; deleted by hand when absent.", AT(until)),
    ROW("before", TIME, "Only what began until then is locked: a sign-out.", AT(before)),
    PERSON("by", by, 0, "Who locked."),
};
#undef KIND

#define SCHEMA_OF(name) const struct schema name##_schema = { name, ARRAY_LEN(name) }
SCHEMA_OF(request_spec);
SCHEMA_OF(request_status);
SCHEMA_OF(approval_spec);
SCHEMA_OF(approval_status);
SCHEMA_OF(session_spec);
SCHEMA_OF(session_status);
SCHEMA_OF(lock_spec);

#define MEMBER(member) offsetof(struct resource, member), sizeof(((struct resource *)NULL)->member)

const struct resource_type resource_types[RESOURCE_KINDS] = {
    [RESOURCE_REQUEST] = { "GuacamoleAccessRequest", "guacamoleaccessrequests",
                           &request_spec_schema, &request_status_schema, MEMBER(request), true },
    [RESOURCE_APPROVAL] = { "GuacamoleApproval", "guacamoleapprovals", &approval_spec_schema,
                            &approval_status_schema, MEMBER(approval), true },
    [RESOURCE_SESSION] = { "GuacamoleSession", "guacamolesessions", &session_spec_schema,
                           &session_status_schema, MEMBER(session), false },
    [RESOURCE_LOCK] = { "GuacamoleLock", "guacamolelocks", &lock_spec_schema, NULL, MEMBER(lock),
                        false },
};
