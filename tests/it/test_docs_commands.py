"""Every command of the documentation is run as it stands (docsh.py says where), and the first of them is
run here: `make run`, as a newcomer does."""
import http.client
import os
import re
import shutil
import signal
import subprocess
import unittest
import urllib.parse

import docsh
import house

HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    with open(os.path.join(house.ROOT, path), encoding="utf-8") as f:
        return f.read()


VERBS = re.findall(r"(?m)^([a-z0-9-]+):", read("Makefile"))


class Marked(unittest.TestCase):
    longMessage = True

    def test_each_block_is_run(self):
        tests = "".join(read("tests/it/" + f) for f in os.listdir(HERE) if f.startswith("test_"))
        called = re.findall(r'"[\w-]+\.md", "[\w-]+"', tests)
        count = 0
        for page in docsh.pages():
            name = os.path.basename(page)
            for world, line, _ in docsh.blocks(page):
                at = f"{name}:{line}"
                self.assertIsNotNone(world, f"{at}: a comment <!-- run: … --> is missing")
                if not world.startswith("not, "):
                    self.assertIn(world, docsh.WORLDS, at)
                    self.assertIn(f'"{name}", "{world}"', called, f"{at}: nobody runs it")
                count += 1
        self.assertGreater(count, 25)

    def test_no_command_hides(self):
        """In a block of another kind, or one that is indented, a command would be run by nobody."""
        for page in docsh.pages():
            text = re.sub(r"(?ms)^```sh$.*?^```$", "", read(page))
            for kind in re.findall(r"^```(\w+)$", text, re.M):
                self.assertIn(kind, ("yaml",), page)
            text = re.sub(r"(?ms)^```.*?^```$", "", text)
            for line in re.findall(r"^    (\S.*)$", text, re.M):
                self.assertNotRegex(line, r"^(sudo|make|kubectl|helm|guac|curl|openssl)\b", page)

    def test_what_is_not_run_exists(self):
        for page in docsh.pages():
            for world, line, text in docsh.blocks(page):
                if not (world or "").startswith("not, "):
                    continue
                at = f"{os.path.basename(page)}:{line}"
                self.assertEqual(subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode, 0, at)
                for verb in re.findall(r"^make ([a-z0-9 -]+)", text, re.M):
                    for one in verb.split():
                        self.assertIn(one, VERBS, at)
                for path in re.findall(r"(?<!\S)((?:deploy|docs|tests)/\S+)", text):
                    self.assertTrue(os.path.exists(os.path.join(house.ROOT, path)), f"{at}: {path}")

    def test_inline(self):
        """`make x` in a sentence is a verb, a file named there is there."""
        for page in docsh.pages():
            text = re.sub(r"(?ms)^```.*?^```$", "", read(page))
            for verb in re.findall(r"`(?:[A-Z]+=\S+ )*make ([a-z0-9-]+)", text):
                self.assertIn(verb, VERBS, page)
            for path in re.findall(r"(?<![\w/.-])((?:deploy|tests|proxy|guacd|recording|crd)/[\w./-]+\w)(?![\w*/<])", text):
                self.assertTrue(os.path.exists(os.path.join(house.ROOT, path)), f"{page}: {path}")


class Checkout(unittest.TestCase):
    longMessage = True

    def test_make_run(self):
        if house.SANITIZED:
            raise unittest.SkipTest("people run the release build")
        for page in ("start.md", "README.md"):
            path = os.path.join(house.ROOT, page if page == "README.md" else "docs/" + page)
            self.assertIn("make run\n", [text for world, _, text in docsh.blocks(path) if world == "checkout"])
        # "start.md", "checkout" and "README.md", "checkout" are this one command.
        state = house.folder("s")
        self.addCleanup(shutil.rmtree, state, True)
        port = house.free_port()
        env = dict(os.environ, B=house.BUILD, STATE=state, PORT=str(port), CC="gcc")
        log = os.path.join(state, "make.log")
        it = house.Process(["make", "run"], log, env=env, cwd=house.ROOT, start_new_session=True)

        def end():
            if it.running():
                os.killpg(it.pid, signal.SIGINT)  # Ctrl-C
                it.popen.wait(120 * house.PATIENCE)
        self.addCleanup(end)
        house.wait(lambda: "Ctrl-C stops it" in it.text() or not it.running(), 300, "make run is up", 0.2)
        link = re.search(rf"http://127\.0\.0\.1:{port}/auth/link\S+", it.text())
        self.assertIsNotNone(link, it.text())
        second = subprocess.run(["make", "-s", "link"], env=env, cwd=house.ROOT, text=True, capture_output=True,
                                check=True).stdout.strip()
        self.assertEqual([self.visit(link[0]), self.visit(second), self.visit(link[0])], [302, 302, 401])
        end()
        self.assertIn("stopped; recordings and connections are in", it.text())

    def visit(self, url):
        at = urllib.parse.urlsplit(url)
        c = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
        try:
            c.request("GET", f"{at.path}?{at.query}")
            return c.getresponse().status
        finally:
            c.close()


if __name__ == "__main__":
    unittest.main()
