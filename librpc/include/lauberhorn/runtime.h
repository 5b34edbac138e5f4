// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/runtime.h
//
// A process's connection to a NIC: the device, the endpoints of its threads,
// and the workers that run its handlers. Servers and channels hold one.
//
//   absl::StatusOr<std::shared_ptr<lauberhorn::Runtime>> runtime =
//       lauberhorn::Runtime::Default();
//
// A NIC behind the kernel's module may be lost, if lauberhornd ends or its
// device goes, and come back. Then calls that are under way end with
// UNAVAILABLE, as do those that begin before it is back, unless they are made
// to wait for it (CallOptions::wait_for_ready); handlers that run come to their
// end, and their replies go nowhere. A process in which nobody serves or waits
// finds out by its next call, which ends so, too. A thread looks for the NIC,
// first after 10 ms, at last each second. When it is there again the servers
// serve as before, with the same methods at the same ports, and clients call as
// before; a CallQueue is to be made anew. Memory of a lost NIC's device is kept
// until the threads that made calls or commands by it have made one by another,
// or have ended; then until the NIC is looked for the next time. In the child
// of a fork the NIC is lost at once, for the child only, whose next call gets
// it another; servers stay the parent's, and must not be destroyed there.
//
// Thread-safety: safe from any thread. Blocking: Open() and Default() start the
// device, or wait for the NIC's answer, which takes about a millisecond;
// destruction stops it. Ownership:
// shared; the device lives as long as the last runtime, server or channel that
// uses it.
#ifndef LAUBERHORN_RUNTIME_H_
#define LAUBERHORN_RUNTIME_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace lauberhorn {

// What can be chosen; the defaults suit a service on a shared machine.
struct RuntimeOptions {
  // Where the NIC is:
  //   embedded   in this process
  //   kernel     behind the kernel's module, /dev/lauberhorn0: lauberhornd, or
  //              hardware, which serves many processes
  //   auto       kernel, if a NIC serves there and this user may; else embedded
  //   /dev/...   another device of the module
  // Empty: what LAUBERHORN_DEVICE in the environment says; else embedded.
  std::string device;

  // How many threads of this process may wait for the NIC at a time, workers
  // included, and each CallQueue as one. 4 to 1,024. Of an embedded device: one
  // of the kernel has as many as its NIC gives.
  std::uint32_t endpoints = 512;

  // How many handlers compute at a time. More run only if those are blocked: if
  // they wait for calls of their own, or calls have been queued for a while.
  // 0: one per CPU, at least 2.
  std::uint32_t workers = 0;

  // How many threads may run handlers at most, those that are blocked included.
  // Threads are started as they are needed and end when they were idle for some
  // time. If all of them wait for calls of their own, calls that are queued end
  // with RESOURCE_EXHAUSTED. 0: half of `endpoints`. At most `endpoints` - 2.
  std::uint32_t max_workers = 0;

  // How many calls may wait for a thread; more end with RESOURCE_EXHAUSTED.
  std::uint32_t max_queued = 4096;

  // How many calls of CallQueues may be under way at a time, each from its
  // start until its Completion is gone. Blocking calls do not count. 1 to
  // 65,536. Of an embedded device, as `endpoints`.
  std::uint32_t max_calls = 4096;

  // Who does the work of an embedded NIC:
  //   thread  a thread of its own, which sleeps while there is nothing to do
  //   spin    one that never sleeps: give it a core of its own
  //   fused   the threads that wait for it, so that no thread stands between a
  //           packet and its handler, or a reply and its caller; another one
  //           stands by. A caller that has no call under way that it waits for,
  //           and fetches nothing from its queues, leaves its NIC to that
  //           thread, which looks once a millisecond.
  // Empty: what LAUBERHORN_ENGINE in the environment says; else fused if the
  // thread that opens the runtime, and so those that this starts, may run on at
  // most four CPUs (sched_getaffinity), and thread if on more.
  std::string engine;

  // How long a thread looks at its line before it parks, at most. It does not
  // look at all where the engine runs on the same CPU. With a fused engine up
  // to 8 us mean that how long it does, 0 to 8 us, follows from how long it
  // usually waits; 0, that it never does; and more, that it always does so
  // long, which is for who has a CPU to spare. 0 to 1 s.
  absl::Duration spin_before_park = absl::Microseconds(3);

  // Whether, with an embedded device, `lauberhorn stat` and `lauberhorn trace`
  // may ask this process, on a local socket that only its user and root can
  // reach. It costs a descriptor while nobody asks; a process that cannot make
  // it works all the same. LAUBERHORN_STAT=off in the environment switches it
  // off, too.
  bool stat = true;

  // Whether, with an embedded device, calls between processes of this host go
  // through memory instead of the network, where both ends allow it. Without it
  // there are no Unix sockets either.
  // LAUBERHORN_LOCAL=off in the environment switches it off, too.
  bool local = true;
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Runtime::Open()
  //
  // A runtime of its own. Errors: INVALID_ARGUMENT for options out of range,
  // RESOURCE_EXHAUSTED if memory or threads are refused. With a device of the
  // kernel also NOT_FOUND if the module is not there, PERMISSION_DENIED if this
  // process may not use it, and UNAVAILABLE if no NIC serves there.
  static absl::StatusOr<std::shared_ptr<Runtime>> Open(
      const RuntimeOptions& options);

  // Runtime::Default()
  //
  // The runtime that servers and channels of this process share if they are not
  // given one: opened with default options at first use, closed with its last
  // user.
  static absl::StatusOr<std::shared_ptr<Runtime>> Default();

 protected:
  Runtime() = default;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_RUNTIME_H_
