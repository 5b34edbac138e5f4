# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""What is said, and how a build ends that cannot go on."""

import sys


class Failure(Exception):
    """What happened, to what, and what to do; main() prints it."""


def say(text):
    print(text, flush=True)


def warn(text):
    sys.stdout.flush()
    print(f"warning: {text}", file=sys.stderr, flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def size(count):
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB"
