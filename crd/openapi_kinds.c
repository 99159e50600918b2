/* Rules that no single row can say stand here as the readers' code says them (connection.c,
 * resource.c); tests/it/test_crd_admission.py holds the two against each other. */
#include "crd/openapi_kinds.h"

#include "guacd/base/util.h"

#define OWN_CLUSTER \
    "(self.protocol == 'kubernetes' && has(self.credentials) && has(self.credentials.from) && " \
    "self.credentials.from == 'kubernetes' && (!has(self.credentials.kubernetes) || " \
    "self.credentials.kubernetes in ['serviceAccount', 'impersonation']))"
#define USER_TOKEN \
    "(self.protocol == 'kubernetes' && has(self.credentials) && has(self.credentials.from) && " \
    "self.credentials.from == 'kubernetes' && has(self.credentials.kubernetes) && " \
    "self.credentials.kubernetes == 'userToken')"
#define FROM "(has(self.from) ? self.from : (has(self.secretRef) ? 'secret' : 'prompt'))"
#define AS "(has(self.kubernetes) ? self.kubernetes : 'impersonation')"
#define CHOOSES(what) "(has(self.choose) && self.choose.exists(c, c == '" what "'))"
#define FIXED \
    { "spec", "self == oldSelf", "never changes" }
#define PERSON(path) \
    { \
        path, "has(self.sub) || has(self.username)", \
            "needs a sub, or the username of who came by kubectl" \
    }

static const struct openapi_rule connection_rules[] = {
    { "spec", "!has(self.kubernetes) || self.protocol == 'kubernetes'",
      "kubernetes goes with protocol kubernetes only" },
    { "spec", "!has(self.hostKey) || self.protocol == 'ssh'",
      "hostKey goes with protocol ssh only" },
    { "spec", "has(self.hostname) || self.protocol == 'demo' || " OWN_CLUSTER " || " USER_TOKEN,
      "hostname is missing" },
    { "spec", "!has(self.hostname) && !has(self.port) || !" OWN_CLUSTER,
      "the gateway's own identity goes to the cluster it runs in only: leave hostname and port "
      "out" },
    { "spec", "self.protocol != 'kubernetes' || has(self.kubernetes) || has(self.parameters)",
      "which pod? say kubernetes.pod, selector, deployment or statefulSet, or let people choose "
      "(choose: [pod])" },
    { "spec",
      "!has(self.credentials) || !has(self.credentials.from) || self.credentials.from != "
      "'certificate' || self.protocol == 'ssh'",
      "certificates are for ssh" },
    { "spec",
      "!has(self.credentials) || !has(self.credentials.from) || self.credentials.from != "
      "'kubernetes' || self.protocol == 'kubernetes'",
      "credentials.from: kubernetes goes with protocol kubernetes only" },
    { "spec.credentials",
      "!(" FROM " == 'secret' || (" FROM " == 'kubernetes' && " AS
      " == 'clientCertificate')) || has(self.secretRef)",
      "secretRef is missing" },
    { "spec.credentials",
      "!has(self.secretRef) || " FROM " == 'secret' || (" FROM " == 'kubernetes' && " AS
      " == 'clientCertificate')",
      "secretRef goes with from: secret, or a client certificate" },
    { "spec.credentials", "!has(self.kubernetes) || " FROM " == 'kubernetes'",
      "kubernetes goes with from: kubernetes only" },
    { "spec.kubernetes",
      "(has(self.pod) ? 1 : 0) + (has(self.selector) ? 1 : 0) + (has(self.deployment) ? 1 : 0) + "
      "(has(self.statefulSet) ? 1 : 0) <= 1",
      "pod, selector, deployment and statefulSet: say one of them" },
    { "spec.kubernetes", "!" CHOOSES("namespace") " || " CHOOSES("pod"),
      "who chooses the namespace has to choose the pod" },
    { "spec.kubernetes", "!" CHOOSES("pod") " || !has(self.pod)",
      "pod is named, so there is nothing to choose" },
    { "spec.stepUp", "has(self.acr) || has(self.maxAgeMinutes)",
      "says neither acr nor maxAgeMinutes" },
};

static const char connection_columns[] =
    "Protocol .spec.protocol\n"
    "Host .spec.hostname\n"
    "Ready .status.conditions[?(@.type==\"Ready\")].status\n"
    "Reason .status.conditions[?(@.type==\"Ready\")].reason\n"
    "Sessions .status.activeSessions integer\n"
    "Message .status.conditions[?(@.type==\"Ready\")].message wide\n"
    "Age .metadata.creationTimestamp date\n";

static const struct openapi_rule request_rules[] = { FIXED, PERSON("spec.requester") };
static const char request_columns[] = "Connection .spec.connection\n"
                                      "Requester .spec.requester.name\n"
                                      "Minutes .spec.minutes integer\n"
                                      "Phase .status.phase\n"
                                      "Expires .status.expires date\n"
                                      "Reason .spec.reason wide\n"
                                      "Age .metadata.creationTimestamp date\n";

static const struct openapi_rule approval_rules[] = {
    FIXED,
    PERSON("spec.approver"),
    { "spec", "self.decision != 'approve' || has(self.as)",
      "as is missing: for which of the listed names?" },
};
static const char approval_columns[] = "Request .spec.request\n"
                                       "Decision .spec.decision\n"
                                       "As .spec.as\n"
                                       "Approver .spec.approver.name\n"
                                       "Accepted .status.accepted boolean\n"
                                       "Age .metadata.creationTimestamp date\n";

static const struct openapi_rule session_rules[] = {
    { "", "self.metadata.name.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
      "metadata.name must be the session's id" },
    PERSON("spec.owner"),
};
static const char session_columns[] = "Connection .spec.connection\n"
                                      "Owner .spec.owner.name\n"
                                      "Phase .status.phase\n"
                                      "Recorder .status.recorder\n"
                                      "Started .spec.started date\n"
                                      "Address .spec.address wide\n"
                                      "Gateway .spec.gateway wide\n";

static const struct openapi_rule lock_rules[] = {
    { "spec",
      "(has(self.sid) ? 1 : 0) + (has(self.sub) ? 1 : 0) + (has(self.connection) ? 1 : 0) + "
      "(has(self.session) ? 1 : 0) == 1",
      "sid, sub, connection and session: say exactly one of them" },
};
static const char lock_columns[] = "Person .spec.sub\n"
                                   "Connection .spec.connection\n"
                                   "Session .spec.session\n"
                                   "Until .spec.until date\n"
                                   "Reason .spec.reason\n"
                                   "Age .metadata.creationTimestamp date\n";

#define TABLES(name) \
    .rules = name##_rules, .rule_count = ARRAY_LEN(name##_rules), .columns = name##_columns

const struct openapi_kind openapi_kinds[OPENAPI_KINDS] = {
    { "GuacamoleConnection", "guacamoleconnections", "guacamoleconnection", "guac",
      "A desktop, terminal or pod that people open in the browser.", &connection_schema,
      &connection_status_schema, TABLES(connection) },
    { "GuacamoleAccessRequest", "guacamoleaccessrequests", "guacamoleaccessrequest", "guacreq",
      "Who asks for which connection, why and for how long.", &request_spec_schema,
      &request_status_schema, TABLES(request) },
    { "GuacamoleApproval", "guacamoleapprovals", "guacamoleapproval", "guacok",
      "One person's word on one request.", &approval_spec_schema, &approval_status_schema,
      TABLES(approval) },
    { "GuacamoleSession", "guacamolesessions", "guacamolesession", "guacses",
      "A session; deleting it ends the session.", &session_spec_schema, &session_status_schema,
      TABLES(session) },
    { "GuacamoleLock", "guacamolelocks", "guacamolelock", "guaclock",
      "Keeps a sign-in, a person, a connection or a session out.", &lock_spec_schema, NULL,
      TABLES(lock) },
};
