"""docs/connections.md: its examples are valid, and no field is missing from the page."""
import os
import re
import subprocess
import unittest

import house


class Manual(house.TestCase):
    def setUp(self):
        super().setUp()
        with open(os.path.join(house.ROOT, "docs/connections.md"), encoding="utf-8") as f:
            self.page = f.read()

    def crds(self, *words):
        return subprocess.run([house.program("guac-crds"), *words], text=True, check=False,
                              stdout=subprocess.PIPE)

    def test_examples_are_valid(self):
        examples = re.findall(r"```yaml\n(.*?)```", self.page, re.S)
        self.assertTrue(examples)
        for n, text in enumerate(examples):
            path = os.path.join(self.folder, f"{n}.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            done = self.crds("--check", path)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("protocol:", "protocoll:"))
        self.assertIn("did you mean 'protocol'?", self.crds("--check", path).stdout)

    def test_every_field_is_there(self):
        manual = self.crds("--manual").stdout
        section = manual[:manual.index("### GuacamoleAccessRequest")]
        paths = re.findall(r"^\| `spec\.([\w.]+)`", section, re.M)
        self.assertGreater(len(paths), 50)
        for path in paths:
            self.assertRegex(self.page, r"\b" + path.rpartition(".")[2] + r"\b")


if __name__ == "__main__":
    unittest.main()
