"""What the docs say is so: their resources are valid, the options they name exist, the messages they
explain stand in the sources, no metric, status, field or parameter is without its words."""
import glob
import os
import re
import subprocess
import unittest

import house

DOCS = sorted(glob.glob(os.path.join(house.ROOT, "docs/*.md"))) + \
    [os.path.join(house.ROOT, f) for f in ("README.md", "SECURITY.md")]
PROGRAMS = ("guacd", "guac-proxy", "guac-authd", "guac-recorder", "guac-evidence", "guac-import")


def read(path):
    with open(os.path.join(house.ROOT, path), encoding="utf-8") as f:
        return f.read()


def sources():
    """All C text, with adjacent string literals joined."""
    text = "\n".join(read(p) for folder in ("guacd", "proxy", "recording", "crd")
                     for p in glob.glob(os.path.join(house.ROOT, folder, "**/*.c"), recursive=True))
    return re.sub(r'"\s*\n\s*"', "", text)


class Docs(house.TestCase):
    def test_links(self):
        for path in DOCS:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(path)):
                if not re.match(r"[a-z]+:", link):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(path), link)),
                                    f"{path}: {link}")

    def test_resources(self):
        """Whole examples; those that begin at `spec:` show a part."""
        count = 0
        for path in DOCS:
            for text in re.findall(r"```yaml\n(.*?)```", read(path), re.S):
                if "apiVersion: catalyst" not in text:
                    continue
                file = os.path.join(self.folder, "example.yaml")
                with open(file, "w", encoding="utf-8") as f:
                    f.write(text)
                done = subprocess.run([house.program("guac-crds"), "--check", file], text=True,
                                      capture_output=True, check=False)
                self.assertEqual((done.returncode, done.stdout), (0, ""), path)
                count += 1
        self.assertGreaterEqual(count, 3)

    def test_options(self):
        known = {}
        for name in PROGRAMS:
            text = subprocess.run([house.program(name), "--help"], text=True, capture_output=True,
                                  check=True).stdout
            known[name] = set(re.findall(r"--([a-z-]+)", text))
        seen = 0
        for path in DOCS:
            text = re.sub(r"\\\n", " ", read(path))
            for name, rest in re.findall(r"\b(guacd|guac-[a-z]+) ([^`|\n#]*)", text):
                for option in re.findall(r"(?<!\S)--([a-z-]+)", rest if name in known else ""):
                    self.assertIn(option, known[name], f"{path}: {name} --{option}")
                    seen += 1
        self.assertGreater(seen, 10)

    def test_messages(self):
        code, page = sources(), read("docs/troubleshooting.md")
        told = page[:page.index("## Statuses")]
        messages = re.findall(r"^\| `([^`]+)` \|", told, re.M)
        self.assertGreater(len(messages), 10)
        for message in messages:
            self.assertIn(message, code)
        rows = dict(re.findall(r"^\| 0x([0-9A-F]{4}) \| ([a-z ]+) \|", page, re.M))
        header = dict((n, name.lower().replace("_", " ")) for name, n in
                      re.findall(r"STATUS_(\w+) = 0x([0-9A-F]{4})", read("guacd/proto/status.h"))
                      if name != "SUCCESS")
        self.assertEqual(rows, header)

    def test_metrics(self):
        code, page = sources(), read("docs/operations.md")
        names = set(re.findall(r'"(guacamole_[a-z0-9_]+)"', code)) | {
            "guacamole_" + n for n in
            re.findall(r'ROW\([^,]+, [A-Z]+, "([a-z0-9_]+)"', read("recording/recorder/metrics.c"))}
        table = set(re.findall(r"^\| `(guacamole_[a-z0-9_]+)` \|", page, re.M))
        self.assertEqual(names, table)
        for name in re.findall(r"guacamole_[a-z0-9_]+", page):
            self.assertIn(name, names, "an alert on what nobody measures")

    def test_fields_and_parameters(self):
        manual = subprocess.run([house.program("guac-crds"), "--manual"], text=True,
                                capture_output=True, check=True).stdout
        rows = re.findall(r"^\| `([^`]+)` \|.*\| (.*) \|$", manual, re.M)
        self.assertGreater(len(rows), 200)
        for name, meaning in rows:
            self.assertRegex(meaning, r"\w{2,}", f"{name} has no text")


if __name__ == "__main__":
    unittest.main()
