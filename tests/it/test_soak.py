"""The better part of a minute of `make soak`: people at work while programs are killed."""
import os
import sys
import unittest

import house

sys.path.insert(0, os.path.join(house.ROOT, "tests/bench"))
import soak  # noqa: E402


class Soak(unittest.TestCase):
    def test_programs_killed_at_random(self):
        if house.SANITIZED:
            self.skipTest("memory is what a sanitizer makes of it")
        self.assertEqual(soak.main(["--minutes", "0.7", "--sessions", "5", "--kill-every", "5"]), 0)


if __name__ == "__main__":
    unittest.main()
