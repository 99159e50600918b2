"""Audit events on their way to the real OpenSearch and the real rsyslogd: each one arrives, once there is
somebody to take it, whoever was away meanwhile."""
import json
import os
import re
import unittest
import urllib.request

import house
from between import Road
from house import wait
from test_auth_kit import Authd, Browser
from test_auth_limits import metrics
from whole import Part

RFC5424 = re.compile(r'<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|\+00:00)) (\S+) guac-authd - (\S+) '
                     r'\[origin software="guac-authd" swVersion="[^"]+"\] (\{.*\})$')
SETTINGS = {"dev_link": "yes", "dev_user": "dora", "dev_roles": "operator auditor"}


class Base(house.TestCase):
    def start_authd(self, **settings):
        self.settings = {**SETTINGS, **settings}
        self.authd = self.start(Authd, **self.settings)

    def restart(self):
        self.authd.stop()
        self.authd = self.start(Authd, **self.settings)

    def sign_in(self, times=1):
        for _ in range(times):
            b = Browser(self.authd)
            self.addCleanup(b.line.close)
            self.assertEqual(b.use_link(self.authd.link()).status, 302)
        return b

    def written(self):
        return [e["metadata"]["uid"] for e in self.authd.audit()]


class OpenSearch(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.part = Part("opensearch")
        cls.addClassCleanup(cls.part.stop)

    def setUp(self):
        super().setUp()
        self.road = Road(self.part["OPENSEARCH_PORT"])
        self.addCleanup(lambda: self.road.close())

    def ask(self, method, path, body=None):
        rq = urllib.request.Request(f"{self.part['OPENSEARCH_URL']}/{path}", method=method,
                                    data=json.dumps(body).encode() if body else None,
                                    headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(rq, timeout=60) as r:
            return json.load(r)

    def index(self, name):
        return {"audit_opensearch": f"http://127.0.0.1:{self.road.port}/{name}"}

    def there(self, name):
        self.ask("POST", f"{name}/_refresh?ignore_unavailable=true")
        found = self.ask("GET", f"{name}/_search?size=1000&ignore_unavailable=true")
        return {h["_id"]: h["_source"] for h in found["hits"]["hits"]}

    def arrives(self, name):
        wait(lambda: sorted(self.there(name)) == sorted(self.written()), 60 * house.PATIENCE,
             "each event, once", every=0.2)

    def test_each_event_once_whoever_was_away(self):
        self.start_authd(**self.index("guac-audit"))
        self.sign_in(3)
        self.arrives("guac-audit")
        one = next(iter(self.there("guac-audit").values()))
        self.assertEqual((one["class_uid"], one["category_uid"], one["metadata"]["version"]),
                         (3002, 3, "1.3.0"))
        # OpenSearch is away: everybody works, and it is told
        self.road.close()
        b = self.sign_in(2)
        wait(lambda: metrics(b)['guacamole_audit_ship_failures_total{sink="opensearch"}'] >= 1 and
             metrics(b)['guacamole_audit_behind_bytes{sink="opensearch"}'] > 0, 30)
        # authd restarts, and the file is rotated as logrotate does it, while it is still away
        os.rename(self.authd.audit_file, self.authd.audit_file + ".1")
        with open(self.authd.audit_file + ".1") as f:
            before = [json.loads(line)["metadata"]["uid"] for line in f]
        self.restart()
        self.sign_in(2)
        self.road = Road(self.part["OPENSEARCH_PORT"], self.road.port)
        wait(lambda: set(self.there("guac-audit")) == set(before) | set(self.written()),
             90 * house.PATIENCE, "what was written before, between and after", every=0.2)
        wait(lambda: metrics(self.sign_in())['guacamole_audit_behind_bytes{sink="opensearch"}'] == 0, 30)

    def test_an_event_it_refuses_stops_no_other(self):
        self.ask("PUT", "strict", {"mappings": {"properties": {"message": {"type": "integer"}}}})
        self.start_authd(**self.index("strict"))
        b = self.sign_in(2)
        n = len(self.written())
        wait(lambda: metrics(b)['guacamole_audit_rejected_total{sink="opensearch"}'] == n, 60)
        self.ask("DELETE", "strict")
        self.sign_in()
        wait(lambda: len(self.there("strict")) == len(self.written()) - n, 60, every=0.2)


class Rsyslogd(house.Process):
    def __init__(self, directory, port):
        self.lines_file = os.path.join(directory, "got")
        conf = os.path.join(directory, "rsyslog.conf")
        with open(conf, "w") as f:
            f.write('global(workDirectory="%s" maxMessageSize="64k")\nmodule(load="imtcp")\n'
                    'input(type="imtcp" address="127.0.0.1" port="%d")\n'
                    'action(type="omfile" file="%s" template="RSYSLOG_SyslogProtocol23Format")\n'
                    % (directory, port, self.lines_file))
        super().__init__(["/usr/sbin/rsyslogd", "-n", "-f", conf, "-i", os.path.join(directory, "pid")],
                         os.path.join(directory, f"rsyslogd-{next(house.NUMBERS)}.log"))

    def lines(self):
        if not os.path.exists(self.lines_file):
            return []
        with open(self.lines_file) as f:
            return f.read().splitlines()


@unittest.skipUnless(os.path.exists("/usr/sbin/rsyslogd"),
                     "rsyslogd is missing; get it by: deploy/deps/deps.sh test")
class Syslog(Base):
    def test_each_event_by_rfc_5424(self):
        port = house.free_port()
        server = self.start(Rsyslogd, port)
        self.start_authd(audit_syslog=f"127.0.0.1:{port}", gateway_name="pod one")
        self.sign_in(3)

        def got():
            lines = [RFC5424.match(line) for line in server.lines()]
            self.assertNotIn(None, lines, server.lines())
            return lines
        wait(lambda: len(got()) == len(self.written()), 60 * house.PATIENCE, "all of them")
        events = [json.loads(m.group(5)) for m in got()]
        self.assertEqual(events, self.authd.audit())
        priority, _, host, kind, _ = got()[0].groups()
        self.assertEqual((int(priority), host, kind), (13 * 8 + 6, "pod_one", "sign-in"))
        # away, and back at the same place
        server.stop()
        b = self.sign_in(2)
        wait(lambda: metrics(b)['guacamole_audit_ship_failures_total{sink="syslog"}'] >= 1, 30)
        self.restart()
        self.sign_in()
        server = self.start(Rsyslogd, port)
        wait(lambda: {json.loads(m.group(5))["metadata"]["uid"] for m in got()} == set(self.written()),
             90 * house.PATIENCE, "none lost")


if __name__ == "__main__":
    unittest.main()
