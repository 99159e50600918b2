"""Manual pages: for every program, without a warning, and with every option that --help has."""
import os
import re
import shutil
import subprocess
import unittest

import house

PAGES = os.path.join(house.ROOT, "docs/man")
NOT_PAGED = {"guac-demo-shell", "guac-demo-desktop", "guac-prepare"} # parts of make run, of the images


class Manuals(house.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["make", "-s", "man", "B=" + house.BUILD, "CC=gcc"], cwd=house.ROOT,
                       check=True, stdout=subprocess.DEVNULL)
        cls.pages = {re.sub(r"\.\d$", "", f): os.path.join(house.BUILD, "man", f)
                     for f in os.listdir(PAGES) if f[-2:] in (".1", ".8")}

    def text(self, name):
        with open(self.pages[name], encoding="utf-8") as f:
            return f.read()

    def test_every_program_has_one(self):
        programs = {f for f in os.listdir(house.BUILD) if re.fullmatch(r"guac[a-z-]*", f) and
                    os.access(os.path.join(house.BUILD, f), os.X_OK) and f not in NOT_PAGED}
        with open(os.path.join(house.ROOT, "Makefile"), encoding="utf-8") as f:
            tools = set(re.findall(r"\$\(B\)/(guac-[a-z]+): \$\(B\)/obj/tests/", f.read()))
        self.assertEqual(programs - tools, set(self.pages))

    def test_no_warning(self):
        if not shutil.which("man") and not shutil.which("groff"):
            raise unittest.SkipTest("neither man nor groff is here")
        for name, path in self.pages.items():
            words = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path]
            if not shutil.which("man"):
                words = ["groff", "-man", "-ww", "-Tutf8", "-Kutf8", "-z", path]
            done = subprocess.run(words, text=True, capture_output=True, check=False,
                                  env=dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="",
                                           MANWIDTH="100"))
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"):
                self.assertIn(f".SH {section}\n", self.text(name), name)
            self.assertNotIn("@", re.sub(r"\S+@\S+\.\S+", "", self.text(name)).replace("\\@", ""))

    def test_every_option_of_help(self):
        for name in self.pages:
            if name == "guac-crds":
                continue
            shown = subprocess.run([house.program(name), "--help"], text=True, capture_output=True,
                                   check=True).stdout
            options = re.findall(r"^  (?:-\w, |    )--([a-z-]+)", shown, re.M)
            self.assertGreater(len(options), 5, name)
            page = self.text(name).replace("\\-", "-")
            for option in options:
                if option != "print-manual":
                    self.assertRegex(page, rf"--{option}\b", name)


if __name__ == "__main__":
    unittest.main()
