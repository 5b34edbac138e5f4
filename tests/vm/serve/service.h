// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/serve/service.h
//
// A service of a test, in a process of its own, and what calls it. Each call
// has a number that no other has, so that a service sees if one runs twice.
//
//   Echo     replies with the request's text
//   Work     computes for as many microseconds as the text says
//   Runs     replies with how many of them have begun
//   Hold     waits until its caller gives it up
//   Forward  calls Forward of the service whose port the text names first, with
//            the rest of it; Stay if it names that first; Echo if there is no
//            rest. The reply is what came back, with "<" and its own name
//   Child    makes a child, as the first word says, which calls Echo of the
//            service whose port follows; replies with how it ended: offspring.h
//   Exec     executes the service's program anew
//   Stay     comes into a state, and stays in it: stay.h
//   Dawdle   makes its workers dawdle from now on; replies with how often they
//            have, and how often their message was gone: dawdle.h
//   Find     replies with how often the text stands in its part of the device,
//            in which it is inverted
#ifndef LAUBERHORN_TESTS_VM_SERVE_SERVICE_H_
#define LAUBERHORN_TESTS_VM_SERVE_SERVICE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lauberhorn/client.h"
#include "lauberhorn/runtime.h"
#include "tests/vm/serve/process.h"

namespace lauberhorn::serve {

// Users of services are numbered from here on; 0 is who tests.
inline constexpr int kFirstUser = 1000;

// How long a thread of a service looks at its line before it parks.
inline constexpr absl::Duration kSpin = absl::Microseconds(3);

struct ServiceOptions {
  int user = 0;
  absl::Duration spin = kSpin;
  int port = 0;  // 0: any
};

// What main() of such a process does: serves until SIGTERM.
int ServiceMain(const std::string& name, const ServiceOptions& service);

class Service {
 public:
  explicit Service(const std::string& name, const ServiceOptions& options = {});
  // Kills it, if it is still there.
  ~Service();
  Service(Service&&) noexcept = default;

  int port() const { return port_; }
  Process& process() { return process_; }

  // Waits until it serves, for the first time or after Exec.
  void AwaitPort();

  // Waits until a call of Stay is about to be in its state: the thread.
  pid_t AwaitStay();

  // Ends it well, and reads what it counted.
  struct Counts {
    std::uint64_t runs = 0;
    std::uint64_t twice = 0;  // runs of a call that had run before
  };
  Counts End();

 private:
  // What it says, but for what is counted by CallsDuplicated().
  std::optional<std::string> ReadLine();

  Process process_;
  int port_ = 0;
};

// Calls from this process, through the kernel's device.
class Caller {
 public:
  explicit Caller(std::shared_ptr<Runtime> runtime, int port);

  // The reply's text. A call that does not end for long ends with
  // DEADLINE_EXCEEDED.
  absl::StatusOr<std::string> Call(absl::string_view method,
                                   absl::string_view text,
                                   absl::Duration patience = absl::Seconds(60));

  // Calls until a call is answered; those before are told UNAVAILABLE.
  void CallUntilAnswered(absl::string_view method, absl::string_view text);

 private:
  const std::shared_ptr<Client> client_;
};

// What a caller is told of a service that was killed. The NIC may hear of its
// threads' ends first, one by one: then a call that one of them had may have
// run.
bool TellsOfADeath(const absl::Status& status);

// Calls of one thread, so many of them open at a time.
struct LoadOptions {
  std::uint64_t calls;
  std::uint64_t open;
  const std::atomic<bool>* stop = nullptr;  // begins no more once it is true
  std::atomic<std::uint64_t>* answered = nullptr;  // is counted up meanwhile
};
struct Load {
  std::uint64_t answered = 0;
  std::uint64_t failed = 0;
};
Load CallMany(const std::shared_ptr<Runtime>& runtime, int port,
              absl::string_view method, absl::string_view text,
              const LoadOptions& options);

// What main() of a process does that calls services without end, `open` calls
// of each at a time.
int Drive(const std::string& method, const std::string& text,
          const std::vector<std::string>& ports, std::uint64_t open);

// A runtime of the kernel's device, for this process.
std::shared_ptr<Runtime> OpenKernelRuntime();

// All calls that this process made; those that got no status in time; and how
// often one ran in a service in which it had run before, of services that are
// gone.
std::uint64_t CallsMade();
std::uint64_t CallsLost();
std::uint64_t CallsDuplicated();

}  // namespace lauberhorn::serve

#endif  // LAUBERHORN_TESTS_VM_SERVE_SERVICE_H_
