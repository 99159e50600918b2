"""A log that is rolled back while nobody looks: authd, started anew, still knows what it signed."""
import os
import shutil
import unittest

import house
from test_auth_kit import Authd, wait
from test_auth_tunnel import TunnelCase
from test_record_kit import Recorder

HEAD = "guacamole-recordings-head/log"


class Restarted(TunnelCase):
    def path(self, name):
        return os.path.join(self.recorder.store_folder, HEAD, name)

    def size(self):
        try:
            with open(self.path("checkpoint")) as f:
                return int(f.read().split("\n")[1])
        except FileNotFoundError:
            return 0

    def session(self):
        session, stream = self.open()
        stream.until("sync")
        self.browser.post(f"/api/sessions/{session}/end", {"text": "over"})
        self.sealed(session)

    def again(self):
        self.recorder = self.start(Recorder)
        self.authd = self.start(Authd, **self.SETTINGS)

    def refusals(self):
        return [e for e in self.authd.audit() if "rolled back" in e["message"]]

    def test_rolled_back(self):
        self.session()
        wait(lambda: self.size() >= 2, 30 * house.PATIENCE)
        shutil.copy(self.path("head"), os.path.join(self.folder, "before"))
        self.session()
        wait(lambda: self.size() >= 4, 30 * house.PATIENCE)
        kept = os.path.join(self.authd.run, "authd", "checkpoint")
        # In its right place: one more is signed after a restart, which contains the last one.
        self.authd.stop()
        self.authd = self.start(Authd, **self.SETTINGS)
        self.browser = self.sign_in()
        wait(lambda: self.connections(), 20 * house.PATIENCE)
        wait(lambda: "connected to the recorder" in self.authd.text(), 20 * house.PATIENCE)
        self.session()
        wait(lambda: self.size() >= 6, 30 * house.PATIENCE)
        self.assertIn("the last checkpoint signed", self.authd.text())
        self.assertEqual(self.refusals(), [])
        for forget in (False, True):
            told = len(self.refusals())
            self.authd.stop()
            self.recorder.stop()
            shutil.copy(os.path.join(self.folder, "before"), self.path("head"))
            if forget: # a new pod: only the store remembers
                os.unlink(kept)
            self.again()
            wait(lambda: len(self.refusals()) > told, 30 * house.PATIENCE,)
            self.assertEqual(self.size(), 6)


if __name__ == "__main__":
    unittest.main()
