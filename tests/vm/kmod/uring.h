// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/uring.h
//
// A ring of io_uring whose entries are the module's calls.
//
// Thread-safety: none.
#ifndef LAUBERHORN_TESTS_VM_KMOD_URING_H_
#define LAUBERHORN_TESTS_VM_KMOD_URING_H_

#include <liburing.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "abi/host/device.h"

namespace lauberhorn::kmod {

// What a completion says: which entry, and 0 or its errno.
using Completion = std::pair<std::uint64_t, int>;

class CommandRing {
 public:
  // With these IORING_SETUP_*; dies if there can be none.
  explicit CommandRing(unsigned flags = 0);
  ~CommandRing() { Close(); }
  CommandRing(const CommandRing&) = delete;
  CommandRing& operator=(const CommandRing&) = delete;

  // Ends whatever waits in it.
  void Close();

  // Each completion is told to this eventfd() as well.
  void Signal(int eventfd);

  // Puts a call for this file under this number. `argument` has to stay there
  // until the call is submitted, by a ring that does so in its own thread until
  // it is complete.
  void Put(std::uint64_t number, int file, unsigned call, const void* argument,
           unsigned flags = 0);
  void Submit();
  void Call(std::uint64_t number, int file, unsigned call, const void* argument,
            unsigned flags = 0) {
    Put(number, file, call, argument, flags);
    Submit();
  }
  // Waits for the next completion.
  Completion Wait();
  // The next completion, if there is one already.
  std::optional<Completion> Now();

 private:
  io_uring ring_;
  bool open_ = true;
};

// PARK on a word that nobody changes.
lh_device_park ParkOnNothing(std::uint32_t endpoint = 0,
                             std::uint64_t until = 0);

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_URING_H_
