#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Writes the commits of a tree that tree.sh made back as the series.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

usage() {
  cat <<TEXT
usage: linux-patches/export.sh DIR

Writes the commits after tag \`base\` of the tree DIR to linux-patches/v6.12, and
removes the patches that were there. The cover letter stays.
TEXT
}

case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  -* | '') usage >&2; exit 2 ;;
esac
if [ -n "$(git -C "$1" status --porcelain --untracked-files=no)" ]; then
  echo "export.sh: $1 has changes that are not committed" >&2
  exit 1
fi

series=$here/v6.12
find "$series" -name '0*[1-9]-*.patch' -delete
# REUSE-IgnoreStart
count=$(git -C "$1" rev-list --count base..)
git -C "$1" format-patch --quiet --no-signature --zero-commit --full-index \
  --find-renames --no-numbered --subject-prefix="PATCH" -o "$series" base
{
  echo "# SPDX-License-Identifier: GPL-2.0"
  echo "# SPDX-FileCopyrightText: The Lauberhorn authors"
  (cd "$series" && ls 0*[1-9]-*.patch)
} > "$series/series"
# The licence as a header of the mail. The date says when, not what: a commit that
# was only rebased stays the same.
sed -i -e '1a SPDX-License-Identifier: GPL-2.0' \
  -e '1a SPDX-FileCopyrightText: The Lauberhorn authors' \
  -e '0,/^Date: /s/^Date: .*/Date: Thu, 1 Jan 2026 00:00:00 +0000/' \
  "$series"/0*[1-9]-*.patch
# REUSE-IgnoreEnd
echo "$count patches in $series"
exec "$here/check.sh" --quick
