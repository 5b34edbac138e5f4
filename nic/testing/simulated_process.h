// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_process.h
//
// A process that serves calls and makes them, as the library would: workers
// that come and go with the work, callers with many calls at a time, call
// numbers, a server that may be closed and opened again. An oracle hears of
// everything that happens to its calls.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_PROCESS_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_PROCESS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "nic/dispatch_policy.h"
#include "nic/testing/call_oracle.h"
#include "nic/testing/simulated_host.h"
#include "nic/testing/simulation.h"

namespace lauberhorn::nic::testing {

struct ProcessOptions {
  DispatchLimits limits;       // `threads`: workers, at most
  std::uint32_t callers = 1;   // threads
  std::uint32_t calls = 8;     // at a time, of all callers
  Nanos think = kMillisecond;  // how long a caller waits between calls, at most
  bool names = false;          // whether it tells the NIC the names of methods
  Nanos lag = 0;               // how late its threads come, at most
};

class SimulatedProcess {
 public:
  static constexpr std::uint16_t kPort = 50051;

  // What the next call is to be.
  using Planner = std::function<CallPlan(Random& random)>;

  // All references outlive it. Its index is that of its host.
  SimulatedProcess(Simulation& simulation, std::size_t index,
                   CallOracle& oracle, const ProcessOptions& options,
                   Planner planner);

  SimulatedProcess(const SimulatedProcess&) = delete;
  SimulatedProcess& operator=(const SimulatedProcess&) = delete;

  // Begins an incarnation: with a server, connected to those of all hosts. Or
  // ends it without a word.
  void Start();
  void Crash();
  bool up() const { return host_.up(); }

  // Takes no calls any more, answers those that it has until `deadline`, unless
  // that is 0, and opens anew.
  void CloseServer(Nanos deadline = 0);

  // Gives up the connection to that server, and makes another.
  void Reconnect(std::size_t server);

  // Whether callers make calls.
  void set_calling(bool calling) { calling_ = calling; }
  bool calling() const { return calling_; }

  // Handlers that run.
  std::uint32_t handling() const { return handling_; }

  // For its threads.
  Simulation& simulation() { return simulation_; }
  SimulatedHost& host() { return host_; }
  CallOracle& oracle() { return oracle_; }
  const ProcessOptions& options() const { return options_; }

  // Starts a call, whose answer comes to channel `call` of `answer_to`. Returns
  // its handle and the message to put; 0 if there are too many.
  std::uint64_t NewCall(const CallPlan& plan, Nanos latest,
                        std::uint32_t answer_to, lh_message* header,
                        std::string* request);
  // A message on a `call` channel: the end of a call, whose number is free
  // then, or a mistake. Whether it is the end. If the NIC is busy, a caller's
  // call is put again; a handler's ends, or all places might be taken by calls
  // that wait for such a one.
  bool OnAnswer(const TakenMessage& answer);
  // The call of this handle, if it is open.
  CallOracle::Call* OpenCall(std::uint64_t handle);
  // Puts the call again if the NIC was too busy for it.
  void PutAgain(std::uint64_t handle);
  // Whether a caller may start another.
  bool MayCall() const {
    return calling_ && open_calls_ < options_.calls && !free_numbers_.empty();
  }
  CallPlan NextPlan() { return planner_(simulation_.random()); }
  // Where a caller waits.
  std::uint32_t RandomCaller();

  void HandlerBegins() { ++handling_; }
  void HandlerEnds() { --handling_; }
  void Grow();
  void WorkerBegins() { growing_ = false; }
  void WorkerEnds(std::uint32_t endpoint);
  // It has closed its lanes without a word; its calls end when the next one
  // opens them.
  void WorkerVanishes(std::uint32_t endpoint);
  void OpenServer();

 private:
  struct Number {
    std::uint32_t generation = 0;
    CallOracle::Call* call = nullptr;
    lh_message header = {};  // to be put again if the NIC is busy
  };

  Nanos now() const { return simulation_.now(); }
  lh_message Control(lh_command command, absl::string_view payload);
  void Connect(std::size_t server);
  std::uint32_t IndexOf(std::uint64_t handle) const {
    return lh_handle_index(handle) - host_.options().region.arrived_calls;
  }
  void End(std::uint64_t handle, std::uint64_t status, absl::string_view text);
  void OnBusy(std::uint64_t handle);
  void PutAgainAt(Nanos when, std::uint64_t handle);
  void StartWorker(std::uint32_t endpoint);
  void SetThreadLimit(std::uint32_t threads);

  Simulation& simulation_;
  const std::size_t index_;
  SimulatedHost& host_;
  CallOracle& oracle_;
  const ProcessOptions options_;
  const Planner planner_;
  bool calling_ = true;

  // Of this incarnation.
  std::uint32_t incarnation_ = 0;
  std::uint64_t server_ = 0;
  bool serving_ = false;
  std::vector<std::uint64_t> peers_;  // by server
  std::vector<Number> numbers_;
  std::vector<std::uint32_t> free_numbers_;
  std::size_t open_calls_ = 0;
  std::set<std::uint64_t> busy_;  // handles of calls to be put again
  std::vector<std::uint32_t> free_endpoints_;
  std::vector<bool> used_;  // endpoints that must be reopened
  std::uint32_t workers_ = 0;
  std::uint32_t handling_ = 0;
  bool growing_ = false;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_PROCESS_H_
