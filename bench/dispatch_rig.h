// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/dispatch_rig.h
//
// A server process without a network: the engine, polled by the calling thread
// on CPU 0, over a wire in memory; on CPU 1 one worker of the library, which
// runs an echo handler and spins for its next call. The library is the shipped
// one, but for the device, which leaves the polling of the engine to the
// caller.
//
// The worker also runs the partner's side of the floor, asked for by a call of
// another method: so the floor is measured between the same two threads.
//
// Thread-safety: for the thread that made it.
#ifndef LAUBERHORN_BENCH_DISPATCH_RIG_H_
#define LAUBERHORN_BENCH_DISPATCH_RIG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/call_wire.h"
#include "bench/floor.h"
#include "lauberhorn/server_call.h"
#include "nic/engine.h"
#include "nic/region.h"
#include "nic/turn_clock.h"

namespace lauberhorn::bench {

class DispatchRig final : private nic::WireFactory, private nic::Waker {
 public:
  // Pins the calling thread to CPU 0 and starts everything.
  static absl::StatusOr<std::unique_ptr<DispatchRig>> Start();
  ~DispatchRig() override;

  DispatchRig(const DispatchRig&) = delete;
  DispatchRig& operator=(const DispatchRig&) = delete;

  // Each returns the nanoseconds of one exchange, the mean of `count`.
  double Bounce(int count) { return FloorTurn(kBounce, count); }
  double Echo(int count) { return FloorTurn(kEcho, count); }
  double Calls(std::size_t count, std::size_t window);

  // Adds the nanoseconds of each of `count` calls, one after the other.
  void EachCall(std::size_t count, std::vector<double>* times);

  // How often one of the two threads was switched out, till the last Bounce()
  // or Echo().
  long switches() const;  // NOLINT(runtime/int)

  // How often memory was taken, and how many calls were made, within Calls().
  std::uint64_t allocations() const { return allocations_; }
  std::uint64_t calls() const { return calls_; }

  const nic::Counters& counters() const { return engine_->counters(); }

 private:
  enum Turn : std::uint32_t { kBounce, kEcho };
  struct Mapping;
  class PolledDevice;

  DispatchRig();

  absl::Status Prepare();
  absl::Status Serve();  // on a thread of its own
  double FloorTurn(Turn turn, int count);
  void Poll();
  void PollUntilReplied(std::size_t count);

  static void EchoThunk(void* rig, ServerCall& call);
  static void TurnThunk(void* rig, ServerCall& call);

  absl::StatusOr<std::unique_ptr<nic::Wire>> Listen(
      const nic::Address& address) override;
  absl::StatusOr<std::unique_ptr<nic::Wire>> Open() override;
  void Wake(std::uint32_t endpoint, __u64* word) override;

  std::unique_ptr<Mapping> memory_;
  std::unique_ptr<nic::Region> region_;
  std::unique_ptr<nic::Engine> engine_;
  nic::TurnClock clock_;
  CallWire* wire_ = nullptr;  // the engine's
  Floor floor_;

  // The thread that opens the server, and closes it when told to.
  std::thread server_;
  absl::Status served_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> stopped_{false};

  alignas(128) std::atomic<bool> worker_ready_{false};
  long worker_switches_ = 0;  // NOLINT(runtime/int)
  std::uint64_t allocations_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_DISPATCH_RIG_H_
