// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_host.h
//
// One machine of a simulation: the memory of a region, an engine, the host's
// side of all channels, and the threads of the process. It can crash, which
// ends all of these, and start again as another incarnation at the same
// address.
//
// The engine gets its turns as nic::EngineThread would give them: it sleeps
// when it may, and then only a packet, a ring, or the time that it asked for
// wakes it. A wake-up that is lost is a hang here, too.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_HOST_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_HOST_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/control.h"
#include "absl/strings/string_view.h"
#include "nic/engine.h"
#include "nic/region.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/random.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

// A thread of a simulated process.
class SimulatedThread {
 public:
  virtual ~SimulatedThread() = default;

  // Does what it can at `now`; also called whenever the engine has run. Returns
  // when it goes on by itself, or kNever.
  virtual Nanos Run(Nanos now) = 0;

  // Somebody has woken who sleeps on this word.
  virtual void Wake(const __u64* word, Nanos now) = 0;

  // Whether it has ended.
  virtual bool ended() const { return false; }

  // For a kernel. Its endpoint in the table of its process; kUnbound if it is
  // no thread of that.
  static constexpr std::uint32_t kUnbound = ~std::uint32_t{0};
  virtual std::uint32_t endpoint() const { return kUnbound; }
  // The word that it sleeps on; null if it is awake.
  virtual const __u64* sleeps_on() const { return nullptr; }
  // Whether it does nothing but wait for the NIC.
  virtual bool only_waits() const { return false; }
  // It was on no CPU for so long: what it computes takes as much longer.
  virtual void Delay(Nanos time) { static_cast<void>(time); }
};

class SimulatedKernel;

struct HostOptions {
  RegionOptions region;
  std::uint32_t sessions = 16;
  std::uint32_t peers = 8;
  std::uint32_t calls = ~std::uint32_t{0};
  Nanos engine_lag = 0;  // the engine's turns come up to so much too late
  // Of the machine that the process is on; it outlives the host. Null: threads
  // run whenever they like, on a kernel that publishes nothing.
  SimulatedKernel* kernel = nullptr;
  std::uint32_t weight = 1;  // there
};

class SimulatedHost final : private Waker {
 public:
  // Host 10.0.0.<number> of the network, which outlives it. It is down.
  SimulatedHost(MemoryNetwork& network, std::uint8_t number,
                const HostOptions& options, std::uint64_t seed);
  ~SimulatedHost() override;

  SimulatedHost(const SimulatedHost&) = delete;
  SimulatedHost& operator=(const SimulatedHost&) = delete;

  // Begins the next incarnation, which has no threads yet; or ends this one,
  // threads and all. Crash() is not for threads to call.
  void Start(Nanos now);
  void Crash();
  bool up() const { return process_ != nullptr; }

  const HostOptions& options() const { return options_; }
  std::uint8_t number() const { return number_; }
  Address address(std::uint16_t port) const {
    return TestAddress(number_, port);
  }

  // While it is up.
  Engine& engine();
  Region& region();
  HostChannel& serve(std::size_t endpoint);
  HostChannel& call(std::size_t endpoint);

  // A command of endpoint 0, which sends nothing else, and its result. `text`
  // gets the result's payload.
  lh_message Control(Nanos now, lh_command command, absl::string_view payload,
                     std::string* text = nullptr);
  // The result of a command that was put to call(0) and is not answered at
  // once; false if none has come.
  bool TakeLateResult(TakenMessage* result);

  void AddThread(std::unique_ptr<SimulatedThread> thread);

  // A packet has come to one of its wires.
  void PacketCame(Nanos now) { RunEngineAt(now); }

  // For its kernel: there is something for the engine, or a thread may go on.
  void RunEngineSoon(Nanos now) {
    if (up()) RunEngineAt(now);
  }
  void RunThreadsAt(Nanos when) {
    if (up()) threads_at_ = std::min(threads_at_, when);
  }

  // Does what is due at `now`; Next() says when to come back, 0 for at once.
  void Run(Nanos now);
  Nanos Next() const {
    return rings_ > 0 ? 0 : std::min(engine_at_, threads_at_);
  }

 private:
  struct Process;

  void Wake(std::uint32_t endpoint, __u64* word) override;
  void RunEngineAt(Nanos when);
  void TakeTurn(Nanos now);
  void RunThreads(Nanos now);

  const HostOptions options_;
  const std::uint8_t number_;
  const std::unique_ptr<WireFactory> wires_;
  Random random_;
  std::unique_ptr<Process> process_;
  std::vector<__u64*> woken_;
  std::uint64_t command_ = 0;
  std::deque<TakenMessage> late_results_;
  int rings_ = 0;  // that the engine has not heard yet
  bool asleep_ = false;
  Nanos engine_at_ = kNever;
  Nanos threads_at_ = kNever;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_HOST_H_
