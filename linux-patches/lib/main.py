# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Gets, patches, configures and builds a Linux 6.12 with the series of this project.

configurations:
  daily        the guest of the daily tests: checks everything it can (default)
  performance  the guest whose instructions are counted
  running      for this machine: its configuration, with the modules that are
               loaded now and no others
  full         for this machine: its whole configuration; takes hours

A built tree is kept outside of the checkout and found again by what it is made
from: patches, configuration, compiler, source. Running this twice does nothing the
second time; an interrupted build goes on where it stopped. docs/platform.md says
what a kernel for a machine changes there, and how to get back.
"""

import argparse
import os
import pathlib
import sys

import cache
import config
import host
import plan
from console import Failure, say


def parse_arguments(words):
    parser = argparse.ArgumentParser(
        prog="linux-patches/build.sh", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", choices=config.NAMES, default="daily",
                        metavar="NAME", help="one of the above")
    parser.add_argument("--full", action="store_const", dest="config",
                        const=config.FULL, help="the same as --config full")
    parser.add_argument("--dry-run", action="store_true",
                        help="say what would be done, whether the series applies, "
                        "and what it needs; change nothing")
    parser.add_argument("--deb", action="store_true",
                        help="make Debian packages of it")
    parser.add_argument("--install", action="store_true",
                        help="make and install them (running, full)")
    parser.add_argument("--btf", action="store_true",
                        help="with type information (running, full; slow)")
    parser.add_argument("--where", action="store_true",
                        help="print the folder of the finished build, or fail")
    parser.add_argument("--prune", action="store_true",
                        help="remove all trees but that of this command")
    parser.add_argument("--configure", action="store_true",
                        help="stop when the configuration is made")
    parser.add_argument("--machine", type=pathlib.Path, metavar="FOLDER",
                        help="a kernel for another machine, of which the folder has "
                        "boot/config-RELEASE and proc/modules (running, full)")
    parser.add_argument("--jobs", type=int, default=host.jobs(), metavar="N")
    parser.add_argument("--cache", type=pathlib.Path, metavar="FOLDER",
                        default=cache.default_root(),
                        help="where trees are kept (%(default)s)")
    parser.add_argument("--source", type=pathlib.Path, metavar="ARCHIVE",
                        help="another source of Linux 6.12 than Debian's")
    parser.add_argument("--series", type=pathlib.Path, metavar="FOLDER",
                        default=plan.SERIES, help="another series of patches")
    parser.add_argument("--patches", type=int, metavar="N",
                        help="apply the first N patches only")
    parser.add_argument("--allow-fuzz", action="store_true",
                        help="apply hunks whose context has changed")
    parser.add_argument("--in-tree", action="store_true",
                        help="with the module of kmod/ as drivers/lauberhorn, =m "
                        "unless --set LAUBERHORN says otherwise")
    parser.add_argument("--set", action="append", default=[], dest="settings",
                        metavar="SYMBOL=VALUE",
                        help="one more line of the configuration")
    return parser.parse_args(words)


def main(words):
    options = parse_arguments(words)
    try:
        made = plan.Plan(options)
        if options.where:
            if not made.tree.finished.exists():
                raise Failure(f"{made.tree.name} is not built; build it without "
                              "--where")
            print(made.tree.build)
        elif options.dry_run:
            made.describe()
        else:
            made.carry_out()
        if options.prune:
            cache.prune(options.cache, {made.tree.name})
    except Failure as failure:
        sys.stdout.flush()
        print(f"build.sh: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
