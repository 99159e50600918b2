"""Files over SFTP beside a VNC desktop: a real Xvnc and a real OpenSSH server."""
import unittest

import house
import vncpart
from besidekit import Beside


class BesideVnc(Beside, house.TestCase):
    protocol = "vnc"

    @classmethod
    def start_desktop(cls):
        cls.vnc = vncpart.Servers()
        cls.addClassCleanup(cls.vnc.stop)

    def desktop(self):
        return {"port": self.vnc.port("None")}


if __name__ == "__main__":
    unittest.main()
