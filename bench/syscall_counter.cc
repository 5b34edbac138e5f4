// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/syscall_counter.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::bench {
namespace {

// Arguments of a getpid(), which has none: nobody else passes them.
constexpr std::uint64_t kBegin = 0x4c48424547494e21;
constexpr std::uint64_t kEnd = 0x4c48454e44212121;

constexpr int kCannotBeTraced = 113;  // how a child says so
constexpr int kSyscallStop = SIGTRAP | 0x80;

absl::Status CannotTrace(absl::string_view what) {
  return absl::PermissionDeniedError(
      absl::StrCat("cannot count system calls: ", what, ": ",
                   std::strerror(errno), "; is ptrace allowed here?"));
}

// What the tracer has seen.
struct Count {
  bool counting = false;
  bool ended = false;
  std::uint64_t calls = 0;

  // A thread is about to make this call.
  void OnEntry(const __ptrace_syscall_info& info) {
    const bool marker = info.entry.nr == SYS_getpid;
    if (marker && info.entry.args[0] == kBegin) {
      counting = true;
    } else if (marker && info.entry.args[0] == kEnd) {
      ended = counting;
      counting = false;
    } else if (counting) {
      ++calls;
    }
  }
};

void Resume(pid_t thread, int signal) {
  // It may be gone already.
  (void)ptrace(PTRACE_SYSCALL, thread, nullptr,
               reinterpret_cast<void*>(static_cast<std::intptr_t>(signal)));
}

// One stop of a thread.
void OnStop(pid_t thread, int status, Count& count) {
  const int signal = WSTOPSIG(status);
  if (signal == kSyscallStop) {
    __ptrace_syscall_info info = {};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread,
               reinterpret_cast<void*>(sizeof(info)), &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      count.OnEntry(info);
    }
    return Resume(thread, 0);
  }
  // Stops of the tracer's making: a thread began, or was seized.
  const bool ours = signal == SIGSTOP || signal == SIGTRAP;
  Resume(thread, ours ? 0 : signal);
}

// Follows the child and its threads till it has ended; its wait status.
absl::StatusOr<int> Follow(pid_t child, Count& count) {
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      return CannotTrace("waiting for the child");
    }
    if (WIFSTOPPED(status)) {
      OnStop(thread, status, count);
    } else if (thread == child) {
      return status;
    }
  }
}

}  // namespace

void BeginCounting() { syscall(SYS_getpid, kBegin); }
void EndCounting() { syscall(SYS_getpid, kEnd); }

absl::StatusOr<std::uint64_t> CountSyscalls(const std::function<int()>& code) {
  const pid_t child = fork();
  if (child < 0) return CannotTrace("fork");
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      _exit(kCannotBeTraced);
    }
    raise(SIGSTOP);  // till the tracer is ready
    _exit(code());
  }
  int status = 0;
  if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status)) {
    return CannotTrace("the child cannot be traced");
  }
  if (ptrace(PTRACE_SETOPTIONS, child, nullptr,
             reinterpret_cast<void*>(PTRACE_O_TRACESYSGOOD |
                                     PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                                     PTRACE_O_EXITKILL)) != 0) {
    const absl::Status failed = CannotTrace("setting options");
    kill(child, SIGKILL);
    waitpid(child, &status, __WALL);
    return failed;
  }
  Resume(child, 0);
  Count count;
  const absl::StatusOr<int> ended = Follow(child, count);
  if (!ended.ok()) return ended.status();
  if (!WIFEXITED(*ended) || WEXITSTATUS(*ended) != 0) {
    return absl::AbortedError(
        absl::StrCat("the counted code ended with wait status ", *ended));
  }
  if (!count.ended) {
    return absl::AbortedError("the counted code made no pair of marks");
  }
  return count.calls;
}

}  // namespace lauberhorn::bench
