// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/process.h
//
// A program that a test starts, and what it writes: the NIC's daemon, and
// services (service.h).
//
// Thread-safety: none.
#ifndef LAUBERHORN_TESTS_VM_SERVE_PROCESS_H_
#define LAUBERHORN_TESTS_VM_SERVE_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lauberhorn::serve {

class Process {
 public:
  // Starts a program with these arguments, the first of which is its path; in
  // its environment its NIC is the kernel's device.
  explicit Process(std::vector<std::string> words);
  // Kills it if it is still there.
  ~Process();
  Process(Process&& other) noexcept;
  // The one that was there is killed.
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool Signal(int signal) const;

  // The next line that it writes to stdout; nothing if it has ended, or says
  // nothing for long.
  std::optional<std::string> ReadLine();

  // Waits for its end: its exit status, or minus the signal that ended it;
  // nothing if it does not end for long.
  std::optional<int> Wait();
  void Kill();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string read_;  // and not yet a line
};

// The daemon, which serves when this returns, under another epoch than before;
// `words` are further arguments.
Process StartNic(const std::vector<std::string>& words = {});

// What sysfs shows of the device.
std::string DeviceShows(const std::string& attribute);

// Waits until something holds; false if it does not for long.
bool ComesTrue(const std::function<bool()>& holds);

// Waits until sysfs shows that; false if it does not for long.
bool DeviceComesToShow(const std::string& attribute, const std::string& text);

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_PROCESS_H_
