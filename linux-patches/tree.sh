#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Makes a git tree to work on the series in: a commit of the source, then one for
# each patch. export.sh is the way back.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
archive=/usr/src/linux-source-6.12.tar.xz

usage() {
  cat <<TEXT
usage: linux-patches/tree.sh DIR

Unpacks $archive into DIR, which must not exist,
and applies the series of linux-patches/v6.12 as commits. Edit there (amend, rebase
--interactive, add commits), then write the series back:

    linux-patches/export.sh DIR
TEXT
}

case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  -* | '') usage >&2; exit 2 ;;
esac
if [ -e "$1" ]; then
  echo "tree.sh: $1 is there already; name a folder to make" >&2
  exit 1
fi
if [ ! -f "$archive" ]; then
  echo "tree.sh: no $archive; tools/deps kernel installs it" >&2
  exit 1
fi

mkdir -p "$1"
cd "$1"
echo "unpacking $archive"
tar -xf "$archive" --strip-components=1
git init --quiet .
git config user.name Lauberhorn
git config user.email lauberhorn@invalid
rm -f .gitignore  # Debian's hides new files
git add --force --all
git commit --quiet -m "Linux $(make -s kernelversion) of Debian"
git tag base
git am --quiet "$here"/v6.12/0*[1-9]-*.patch
git log --oneline base..
