// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/calls.h
//
// Calls of a service beside what a test does to it.
#ifndef LAUBERHORN_TESTS_VM_SERVE_CALLS_H_
#define LAUBERHORN_TESTS_VM_SERVE_CALLS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lauberhorn/runtime.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {

// Calls of Echo, one after the other, until End(). Each is answered, or is told
// that the NIC or the service is away.
class Calls {
 public:
  Calls(std::shared_ptr<Runtime> runtime, int port);
  ~Calls() { End(); }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  std::uint64_t answered() const { return answered_; }
  std::uint64_t failed() const { return failed_; }

  // Waits until a call that begins now has been answered.
  void AwaitMore() const;
  void End();

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::thread thread_;
};

// Calls that end with the service; each a thread of its own.
class Outstanding {
 public:
  Outstanding(std::shared_ptr<Runtime> runtime, int port)
      : runtime_(std::move(runtime)), port_(port) {}
  ~Outstanding() { Join(); }
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;

  void Call(const std::string& method, const std::string& text);

  // Waits until each has been told of the service's death.
  void Join();

 private:
  const std::shared_ptr<Runtime> runtime_;
  const int port_;
  std::vector<std::thread> threads_;
};

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_CALLS_H_
