// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/shown.h
//
// What the kernel shows of threads, and of what the module has of processes.
#ifndef LAUBERHORN_TESTS_VM_SERVE_SHOWN_H_
#define LAUBERHORN_TESTS_VM_SERVE_SHOWN_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lauberhorn::serve {

// A thread, as /proc shows it.
struct ThreadShown {
  char state = 0;        // as in ps, such as R and S
  std::string sleeps;    // the function of the kernel in which it does
  long call = -1;        // the system call in which it is
  std::uint64_t second;  // argument of that

  // It is in a PARK; and sleeps there, so that RUN wakes it.
  bool InPark() const;
  bool Parked() const;
};
ThreadShown ShowThread(pid_t process, pid_t thread);

// The workers of a process.
std::vector<pid_t> WorkersOf(pid_t process);

// Where a process is attached; nothing if it is not.
struct AttachmentShown {
  std::uint32_t place = 0;
  std::uint32_t generation = 0;
};
std::optional<AttachmentShown> ShowAttachment(pid_t process);

// How many parts of the region there are in memory, the kernel's own and those
// included that nobody needs any more.
int CountParts();

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_SHOWN_H_
