# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The architectures that kernels are built for, on this one."""

import shutil
import subprocess
from dataclasses import dataclass

from console import Failure


@dataclass(frozen=True)
class Architecture:
    name: str  # as make knows it
    tools: str  # what the names of its compiler and linker begin with
    image: str  # the target, and its name in arch/<name>/boot

    def compiler(self):
        """What the compiler says of itself."""
        try:
            return subprocess.run(
                [f"{self.tools}gcc", "--version"], text=True, check=True,
                capture_output=True).stdout.splitlines()[0]
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"no {self.tools}gcc; tools/deps kernel installs gcc, and "
                          "tools/deps kernelfull those of others") from error

    def variables(self):
        """For make."""
        words = [] if self == X86 else [f"ARCH={self.name}",
                                        f"CROSS_COMPILE={self.tools}"]
        if shutil.which("ccache"):
            words += [f"CC=ccache {self.tools}gcc", "HOSTCC=ccache gcc"]
        return tuple(words)


X86 = Architecture("x86", "", "bzImage")
ARM64 = Architecture("arm64", "aarch64-linux-gnu-", "Image")
