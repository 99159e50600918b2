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

static const struct openapi_column connection_columns[] = {
    { "Protocol", "string", ".spec.protocol", 0 },
    { "Host", "string", ".spec.hostname", 0 },
    { "Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", 0 },
    { "Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason", 0 },
    { "Sessions", "integer", ".status.activeSessions", 0 },
    { "Message", "string", ".status.conditions[?(@.type==\"Ready\")].message", 1 },
    { "Age", "date", ".metadata.creationTimestamp", 0 },
};

static const struct openapi_rule request_rules[] = { FIXED, PERSON("spec.requester") };
static const struct openapi_column request_columns[] = {
    { "Connection", "string", ".spec.connection", 0 },
    { "Requester", "string", ".spec.requester.name", 0 },
    { "Minutes", "integer", ".spec.minutes", 0 },
    { "Phase", "string", ".status.phase", 0 },
    { "Expires", "date", ".status.expires", 0 },
    { "Reason", "string", ".spec.reason", 1 },
    { "Age", "date", ".metadata.creationTimestamp", 0 },
};

static const struct openapi_rule approval_rules[] = {
    FIXED,
    PERSON("spec.approver"),
    { "spec", "self.decision != 'approve' || has(self.as)",
      "as is missing: for which of the listed names?" },
};
static const struct openapi_column approval_columns[] = {
    { "Request", "string", ".spec.request", 0 },
    { "Decision", "string", ".spec.decision", 0 },
    { "As", "string", ".spec.as", 0 },
    { "Approver", "string", ".spec.approver.name", 0 },
    { "Accepted", "boolean", ".status.accepted", 0 },
    { "Age", "date", ".metadata.creationTimestamp", 0 },
};

static const struct openapi_rule session_rules[] = {
    { "", "self.metadata.name.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
      "metadata.name must be the session's id" },
    PERSON("spec.owner"),
};
static const struct openapi_column session_columns[] = {
    { "Connection", "string", ".spec.connection", 0 },
    { "Owner", "string", ".spec.owner.name", 0 },
    { "Phase", "string", ".status.phase", 0 },
    { "Recorder", "string", ".status.recorder", 0 },
    { "Started", "date", ".spec.started", 0 },
    { "Address", "string", ".spec.address", 1 },
    { "Gateway", "string", ".spec.gateway", 1 },
};

static const struct openapi_rule lock_rules[] = {
    { "spec",
      "(has(self.sid) ? 1 : 0) + (has(self.sub) ? 1 : 0) + (has(self.connection) ? 1 : 0) + "
      "(has(self.session) ? 1 : 0) == 1",
      "sid, sub, connection and session: say exactly one of them" },
};
static const struct openapi_column lock_columns[] = {
    { "Person", "string", ".spec.sub", 0 },
    { "Connection", "string", ".spec.connection", 0 },
    { "Session", "string", ".spec.session", 0 },
    { "Until", "date", ".spec.until", 0 },
    { "Reason", "string", ".spec.reason", 0 },
    { "Age", "date", ".metadata.creationTimestamp", 0 },
};

#define TABLES(name) \
    .rules = name##_rules, .rule_count = ARRAY_LEN(name##_rules), .columns = name##_columns, \
    .column_count = ARRAY_LEN(name##_columns)

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
