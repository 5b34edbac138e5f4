# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# What the end-to-end tests are written with: processes, waiting for what they
# write, and counting. For bash, by `.`; a test is a function, run by check().
#
# Nothing here depends on how long something takes: each step waits for an event,
# and only gives up after PATIENCE seconds.

readonly PATIENCE=60
out=$(mktemp -d)

# Ends what still runs: gently, as the shell reports nothing then, and in the end
# for certain. A stopped process must go on to end.
end_children() {
  local pid end=$((SECONDS + 10))
  for pid in ${children[@]+"${children[@]}"}; do
    kill -TERM "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null
  done
  for pid in ${children[@]+"${children[@]}"}; do
    until ended "$pid"; do
      [ $SECONDS -lt $end ] || kill -KILL "$pid" 2>/dev/null
      sleep 0.05
    done
  done
  wait 2>/dev/null
  children=()
}

children=()
cleanup() {
  trap - EXIT
  end_children
  rm -rf "$out"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME COMMAND...: in the background; stdout and stderr go to $out/NAME, the
# process id to $pid. What one of that name said before is gone at once: nobody
# takes it for the new one's.
start() {
  local name=$1
  shift
  rm -f "$out/$name"
  "$@" >"$out/$name" 2>&1 &
  pid=$!
  children+=("$pid")
}

# eventually COMMAND...: waits until it succeeds.
eventually() {
  local end=$((SECONDS + PATIENCE))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

# says NAME TEXT: whether a process has written this.
says() { grep -qsF -- "$2" "$out/$1"; }

# ended PID: whether it is gone, or waits to be asked for its status; so do all of its
# threads, the last of which closes its files.
ended() {
  ! kill -0 "$1" 2>/dev/null || {
    grep -qs '^State:.*Z' "/proc/$1/status" &&
      [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]
  }
}

passed=0
failed=0

# check NAME: runs the function of this name.
check() {
  local begin=$SECONDS
  if "$1"; then
    passed=$((passed + 1))
    echo "ok      ${1//_/ } ($((SECONDS - begin)) s)"
  else
    failed=$((failed + 1))
    echo "FAILED  ${1//_/ }"
    tail -n 20 "$out"/* | sed 's/^/        /'
  fi
  end_children
  rm -f "$out"/*
}

# report: the last line, and the status of the test.
report() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
