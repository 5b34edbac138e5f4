// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/offspring.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/vm/serve/shown.h"

namespace lauberhorn::serve {
namespace {

constexpr char kTrue[] = "/bin/true";

// What the child of a fork that calls ends with.
int CallByItself(const std::function<absl::Status(bool wait)>& call) {
  const absl::Status first = call(false);
  if (!absl::IsUnavailable(first)) return 10 + static_cast<int>(first.code());
  const absl::Status second = call(true);
  if (!second.ok()) return 50 + static_cast<int>(second.code());
  return ShowAttachment(getpid()).has_value() ? 0 : 1;
}

int StatusOf(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

// The child that lives on, once its call was answered.
int Stays(const std::function<absl::Status(bool wait)>& call) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    const auto result = static_cast<char>(CallByItself(call));
    if (write(ends[1], &result, 1) != 1 || result != 0) _exit(1);
    for (;;) pause();
  }
  close(ends[1]);
  char result = 1;
  const bool heard = read(ends[0], &result, 1) == 1;
  close(ends[0]);
  return heard && result == 0 ? child : -1;
}

}  // namespace

int MakeChild(absl::string_view how,
              const std::function<absl::Status(bool wait)>& call) {
  if (how == "stays") return Stays(call);
  if (how == "vforks") {
    const pid_t child = vfork();
    if (child == 0) {
      if (!call(false).ok()) _exit(1);
      execl(kTrue, kTrue, nullptr);
      _exit(2);
    }
    return StatusOf(child);
  }
  const pid_t child = fork();
  if (child == 0) {
    if (how == "exits") std::exit(0);
    if (how == "calls") _exit(CallByItself(call));
    execl(kTrue, kTrue, nullptr);
    _exit(2);
  }
  return StatusOf(child);
}

}  // namespace lauberhorn::serve
