// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/testing/mortal_nic.h
//
// A NIC that dies and comes back, as lauberhornd does: each life is a device of
// its own, which the runtimes of the test open. One runtime at a time.
//
// Thread-safety: safe from any thread.
#ifndef LAUBERHORN_LIBRPC_TESTING_MORTAL_NIC_H_
#define LAUBERHORN_LIBRPC_TESTING_MORTAL_NIC_H_

#include <atomic>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "lauberhorn/runtime.h"
#include "librpc/device.h"
#include "librpc/testing/mortal_device.h"

namespace lauberhorn::testing {

class MortalNic {
 public:
  MortalNic() = default;

  MortalNic(const MortalNic&) = delete;
  MortalNic& operator=(const MortalNic&) = delete;

  // A runtime that uses it, which is there, and waits for it to come back.
  std::shared_ptr<Runtime> OpenRuntime();

  // It dies, with all that it knows, and stays dead.
  void Kill();

  // It is there again: now, or when it has been asked for so often in vain.
  void Start(int refusals = 0);

  // The next lives end at once, so many.
  void DieAtBirth(int lives);

  // Its life, if the runtime has not let it go; the runtime's.
  MortalDevice* life();

  // How many devices the runtime has not let go.
  int devices() const { return devices_; }

 private:
  class Life;

  absl::StatusOr<std::unique_ptr<Device>> Open();

  std::atomic<int> devices_{0};
  std::mutex mutex_;
  int refusals_ = 0;
  int stillborn_ = 0;
  Life* life_ = nullptr;  // the runtime's; null if it has let it go
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_LIBRPC_TESTING_MORTAL_NIC_H_
