#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Every lint finds what it is for, in a tree made for it, and only that."""

import pathlib
import subprocess
import tempfile
import unittest

import arrows
import common
import content
import format as formatting
import headers
import spdx

TAG = "SPDX-License-" "Identifier: "
HOLDER = "SPDX-File" "CopyrightText: The Lauberhorn authors"
APACHE = f"// {TAG}Apache-2.0\n// {HOLDER}\n"
ABI = f"/* {TAG}{spdx.KERNEL_AND_BSD} */\n/* {HOLDER} */\n"


class LintTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def copy(self, *names):
        for name in names:
            self.write(name, (common.ROOT / name).read_text())

    def assert_finds(self, findings, *expected):
        """One finding for each expected text, in any order, and no more."""
        self.assertEqual(len(findings), len(expected), findings)
        for text in expected:
            self.assertTrue(any(text in finding for finding in findings),
                            f"{text!r} is not in {findings}")

    def test_files_are_tracked_and_new_but_not_ignored(self):
        self.write(".gitignore", "build/\n")
        self.write("build/made.cc", "")
        self.write("new.cc", "")
        self.assertEqual(common.files(self.root), [".gitignore", "new.cc"])

    def test_spdx(self):
        self.copy("LICENSES/Apache-2.0.txt", "LICENSES/GPL-2.0.txt",
                  "LICENSES/BSD-3-Clause.txt",
                  "LICENSES/Linux-syscall-note.txt")
        self.write("nic/good.h", APACHE)
        self.write("abi/host/good.h", ABI)
        self.write("docs/good.md", f"<!-- {TAG}Apache-2.0 -->\n"
                                   f"<!-- {HOLDER} -->\n")
        self.write(".reuse/dep5",
                   "Format: https://www.debian.org/doc/packaging-manuals/"
                   "copyright-format/1.0/\n\nFiles: data/*.json\nCopyright: "
                   "The Lauberhorn authors\nLicense: Apache-2.0\n")
        self.write("data/good.json", "{}")
        self.assert_finds(spdx.lint(self.root))

        self.write("nic/bad.h", ABI)
        self.write("abi/host/bad.h", APACHE)
        self.write("kmod/bad.c", APACHE)
        self.write("librpc/bad.h", f"// {TAG}Apache-2.0\n")
        self.write("librpc/late.h", "\n" * 10 + APACHE)
        (self.root / "LICENSES/BSD-3-Clause.txt").unlink()
        findings = [finding for finding in spdx.lint(self.root)
                    if not finding.startswith("reuse")]
        self.assert_finds(
            findings, "nic/bad.h:1: licence", "abi/host/bad.h:1: licence",
            "kmod/bad.c:1: licence", "librpc/bad.h:1: no line",
            "librpc/late.h:1: licence", "librpc/late.h:1: no line",
            "LICENSES/BSD-3-Clause.txt: missing")

    def test_reuse(self):
        self.copy("LICENSES/Apache-2.0.txt")
        self.write("good.h", APACHE)
        self.assert_finds(spdx.reuse(self.root))
        self.write("bad.h", f"// {TAG}MIT\n")
        findings = spdx.reuse(self.root)
        self.assertTrue(any("Missing licenses: MIT" in finding
                            for finding in findings), findings)
        self.assertTrue(any("Files with copyright" in finding
                            for finding in findings), findings)

    def test_format(self):
        self.copy(".clang-format", "abi/.clang-format")
        self.write("nic/good.cc", "int Two() { return 2; }\n")
        self.write("abi/good.h", "struct a {\n\tint b;\n};\n")
        self.assert_finds(formatting.lint(self.root))
        self.write("nic/bad.cc", "int Two() {\n\treturn 2; }\n")
        self.write("abi/bad.h", "struct a {\n  int b;\n};\n")
        self.assert_finds(formatting.lint(self.root), "nic/bad.cc",
                          "abi/bad.h")
        formatting.fix(self.root)
        self.assert_finds(formatting.lint(self.root))

    def test_headers(self):
        self.write("abi/host/types.h", "#include <linux/types.h>\n")
        self.write("abi/host/good.h", '#include "types.h"\n'
                                      "struct a {\n\t__u64 b;\n};\n")
        self.write("librpc/include/lauberhorn/good.h",
                   "#pragma once\n#include <string>\n"
                   "inline std::string Name() { return {}; }\n")
        self.write("nic/good.h", "#pragma once\n#include <span>\n"
                                 "void Take(std::span<int> numbers);\n")
        self.assert_finds(headers.lint(self.root))

        self.write("abi/host/alone.h", "struct a {\n\t__u64 b;\n};\n")
        self.write("abi/host/comment.h", "// not C90\nextern int comment;\n")
        self.write("librpc/include/lauberhorn/new.h",
                   "#pragma once\n#include <span>\n"
                   "void Take(std::span<int> numbers);\n")
        self.write("nic/bad.h", "#pragma once\n"
                                "std::string Name();\n")
        self.write("nic/proven.h", "std::string Name();\n")
        self.write("nic/proven.cc", '#include "nic/proven.h"\n')
        self.assert_finds(
            headers.lint(self.root), *["abi/host/alone.h"] * 3,
            "abi/host/comment.h", "public headers as C++17",
            "librpc/include/lauberhorn/new.h", "nic/bad.h")

    def test_arrows(self):
        self.write("nic/good.cc", '#include <sys/socket.h>\n'
                                  '#include "abi/host/lane.h"\n'
                                  '#include "nic/engine.h"\n')
        self.write("librpc/embedded_device.cc", '#include "nic/engine.h"\n')
        self.write("librpc/testing/device.cc", '#include "nic/engine.h"\n')
        self.write("librpc/include/lauberhorn/good.h",
                   "#include <lauberhorn/server.h>\n#include <vector>\n"
                   '#include "absl/status/status.h"\n')
        self.write("abi/wire/good.h", '#include "../host/types.h"\n')
        self.write("abi/host/testing/good.h", "#include <vector>\n")
        self.write("idl/good.cc", 'const char kCode[] = R"x(\n'
                                  '#include <grpcpp/grpcpp.h>\n)x";\n')
        self.write("bench/good.cc", '#include "nic/engine.h"\n'
                                    '#include "librpc/endpoint.h"\n')
        self.write("cli/good.cc", '#include "nic/report.h"\n'
                                  '#include "lauberhorn/client.h"\n')
        self.assert_finds(arrows.lint(self.root))

        self.write("cli/bad.cc", '#include "librpc/endpoint.h"\n')
        self.write("nic/bad.cc", "\n#include <lauberhorn/server.h>\n"
                                 '#include "librpc/endpoint.h"\n')
        self.write("librpc/server.cc", '#include "nic/engine.h"\n')
        self.write("idl/main.cc", 'const char kText[] = R"(a\n)";\n'
                                  '#include "librpc/endpoint.h"\n'
                                  '#include "nic/engine.h"\n')
        self.write("abi/host/bad.h", "#include <stdio.h>\n"
                                     '#include "../../nic/engine.h"\n')
        self.write("librpc/include/lauberhorn/bad.h",
                   '#include "librpc/endpoint.h"\n'
                   '#include "abi/host/lane.h"\n'
                   "#include <nic/engine.h>\n")
        self.assert_finds(
            arrows.lint(self.root), "cli/bad.cc:1: cli includes librpc/endpoint.h",
            "nic/bad.cc:2: nic includes lauberhorn/server.h",
            "nic/bad.cc:3: nic includes librpc/endpoint.h",
            "librpc/server.cc:1: librpc includes nic/engine.h",
            "idl/main.cc:3: idl includes", "idl/main.cc:4: idl includes",
            "abi/host/bad.h:1: abi includes <stdio.h>",
            "abi/host/bad.h:2: abi includes ../../nic/engine.h",
            "bad.h:1: a public header includes librpc/endpoint.h",
            "bad.h:2: a public header includes abi/host/lane.h",
            "bad.h:3: a public header includes nic/engine.h")

    def test_content(self):
        self.write("good.md", "See nic/wo" "rk/file, a$HO" "ME/x, mktemp "
                              "name.XX" "XXXX, tasks.\n")
        hosts = ["packages.example"]
        self.assert_finds(content.lint(self.root, hosts))
        self.write("bad.md", "in /wo" "rk/main\nsee /tm" "p/x\n"
                             "TO" "DO: later\nfrom packages.example\n")
        self.assert_finds(content.lint(self.root, hosts), "bad.md:1:",
                          "bad.md:2:", "bad.md:3:", "bad.md:4:")


if __name__ == "__main__":
    unittest.main(verbosity=0)
