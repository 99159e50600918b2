"""How often and how many at once: sign-ins by address, tunnels and sessions by person, told by a sentence
and by Retry-After; each refusal counted by its rule; guacd's own metrics beside authd's."""
import os
import re
import threading
import unittest
from unittest import mock

from house import wait
from test_auth_kit import Browser, LinkCase, TunnelCase, page_says

LIMITS = {"GUAC_AUTHD_SIGN_INS_PER_MINUTE": "4", "GUAC_AUTHD_TUNNELS_PER_MINUTE": "6",
          "GUAC_AUTHD_OPENS_PER_MINUTE": "3", "GUAC_AUTHD_AT_ONCE": "5",
          "GUAC_AUTHD_DIALS_AT_ONCE": "1"}


def metrics(browser):
    text = browser.line.call("metrics")["text"]
    return {k: float(v) for k, v in re.findall(r"^(\S+) (\S+)$", text, re.M)}


def refusals(browser, rule):
    return metrics(browser)[f'guacamole_refusals_total{{rule="{rule}"}}']


class SigningIn(LinkCase):
    def setUp(self):
        with mock.patch.dict(os.environ, LIMITS):
            super().setUp()

    def test_by_address(self):
        links = [self.authd.link() for _ in range(5)]
        browsers = [Browser(self.authd) for _ in links]
        answers = [b.use_link(link) for b, link in zip(browsers, links)]
        self.assertEqual([a.status for a in answers], [302] * 4 + [429])
        page_says(answers[4], 429, "too many sign-ins from your address")
        self.assertIn(int(answers[4].header("retry-after")), range(1, 17))
        self.assertEqual(browsers[4].jar, {})
        # neither who is signed in nor anybody elsewhere is kept out by it
        self.assertEqual(browsers[0].me().status, 200)
        elsewhere = browsers[4].line.call("http", method="GET", path="/auth/link", peer="192.0.2.8",
                                          query=links[4].partition("?")[2], headers={})
        self.assertEqual(elsewhere["status"], 302, "the link was not used up")
        self.assertEqual(metrics(browsers[0])['guacamole_auth_failures_total{reason="too-many"}'], 1)
        self.assertEqual(refusals(browsers[0], "rate-limit"), 1)


class Opening(TunnelCase):
    def setUp(self):
        with mock.patch.dict(os.environ, LIMITS):
            super().setUp()

    def test_by_person(self):
        # three sessions, opened at one moment: one after the other, none refused
        answers = []
        lines = [Browser(self.authd) for _ in range(3)]
        for b in lines:
            b.jar, b.csrf = self.browser.jar, self.browser.csrf

        def open_one(b):
            answers.append(b.tunnel("connection=relay/demo&width=300&height=200"))
        threads = [threading.Thread(target=open_one, args=(b,)) for b in lines]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual([a["ok"] for a in answers], [True] * 3, answers)
        for a in answers:
            self.addCleanup(os.close, a["fds"][0])
        fourth = self.refused()
        self.assertEqual((fourth["http"], fourth["rule"], fourth["status"]), (429, "rate-limit", 0x31D))
        self.assertRegex(fourth["error"], r"Too many sessions .* Try again in \d+ seconds?\.")
        # coming back is a tunnel, not a new session
        answer = self.browser.tunnel(f"session={answers[0]['id']}")
        self.assertTrue(answer["ok"], answer)
        os.close(answer["fds"][0])
        last = self.refused("connection=relay/none")
        self.assertEqual(last["http"], 429)
        seventh = self.refused("connection=relay/none")
        self.assertEqual((seventh["http"], seventh["rule"]), (429, "rate-limit"))
        self.assertGreaterEqual(seventh["retryAfter"], 1)
        self.assertEqual(refusals(self.browser, "rate-limit"), 3)

    def test_each_refusal_by_its_rule(self):
        before = {r: refusals(self.browser, r) for r in ("connection-exists", "audience")}
        self.assertEqual(self.refused("connection=relay/none")["rule"], "connection-exists")
        self.add("theirs", roles=["somebody-else"])
        self.assertEqual(self.refused("connection=relay/theirs")["rule"], "audience")
        self.assertEqual({r: refusals(self.browser, r) - n for r, n in before.items()},
                         {"connection-exists": 1, "audience": 1})
        # guacd's, as it writes them
        wait(lambda: any(k.startswith("guacamole_guacd_") or "sandbox" in k
                         for k in metrics(self.browser)), 30)


if __name__ == "__main__":
    unittest.main()
