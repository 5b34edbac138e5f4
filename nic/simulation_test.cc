// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Thousands of short simulated runs, each from its own seed: two or three hosts
// that call each other, themselves, and out of handlers, with limits, sizes and
// times by chance, over a network that loses, repeats, reorders, delays, cuts
// and corrupts packets, while hosts crash, cables are pulled, servers are
// closed and clients reconnect. CallOracle says what must hold.
//
// With --machine they are processes of one machine, on a few CPUs whose kernel
// publishes its run queues; --mistake lets that kernel break one rule, and then
// something must fail.
//
// A program of its own rather than GoogleTest's: its unit is the seed, and a
// seed that fails prints the command that replays it.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "abi/wire/packet.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "nic/counters.h"
#include "nic/testing/call_oracle.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/random.h"
#include "nic/testing/simulated_host.h"
#include "nic/testing/simulated_kernel.h"
#include "nic/testing/simulated_process.h"
#include "nic/testing/simulation.h"

namespace lauberhorn::nic {
namespace {

using testing::CallOracle;
using testing::CallPlan;
using testing::HostOptions;
using testing::KernelMistake;
using testing::MemoryNetwork;
using testing::ProcessOptions;
using testing::Random;
using testing::SimulatedHost;
using testing::SimulatedKernel;
using testing::SimulatedProcess;
using testing::Simulation;

// What a call without a deadline may take, and how long after the last fault
// all must have ended: handlers, lost servers, clients that have to wait until
// a session is free.
constexpr Nanos kLongest = 3600 * kSecond;

struct Options {
  std::uint64_t first = 1;
  std::uint64_t seeds = 0;
  std::uint64_t shard = 1;
  std::uint64_t shards = 1;
  bool trace = false;
  bool counters = false;
  bool figures = false;
  bool machine = false;
  KernelMistake mistake = KernelMistake::kNone;
};

// What happened in all runs.
struct Totals {
  void Add(const Counters& counters) {
    std::size_t at = 0;
#define LAUBERHORN_ADD(name, meaning) counts[at++] += counters.name.value();
    LAUBERHORN_NIC_COUNTERS(LAUBERHORN_ADD)
#undef LAUBERHORN_ADD
  }

#define LAUBERHORN_COUNT(name, meaning) +1
  static constexpr std::size_t kCounters =
      0 LAUBERHORN_NIC_COUNTERS(LAUBERHORN_COUNT);
#undef LAUBERHORN_COUNT
#define LAUBERHORN_NAME(name, meaning) #name,
  static constexpr absl::string_view kNames[] = {
      LAUBERHORN_NIC_COUNTERS(LAUBERHORN_NAME)};
#undef LAUBERHORN_NAME

  // One more, for a name that there is not.
  std::uint64_t counts[kCounters + 1] = {};
  std::uint64_t statuses[CallOracle::kStatuses] = {};
  CallOracle::Broken broken;
  std::uint64_t calls = 0;
  std::uint64_t crashes = 0;
};

class Run {
 public:
  Run(std::uint64_t seed, const Options& options);

  // Whether everything was as it must be; if not, complaints() says what.
  bool Do(Totals* totals);

  const std::vector<std::string>& complaints() const {
    return oracle_.complaints();
  }

 private:
  using Ending = CallPlan::Ending;

  Random& random() { return simulation_.random(); }
  void MakeKernel(KernelMistake mistake);
  void AddProcess();
  CallPlan Plan(int depth);
  Nanos Timeout() {
    return random().OneIn(4) ? random().Time(timeout_)
                             : random().Below(timeout_);
  }
  void SetFaults();
  void Fault();
  void Crash(SimulatedProcess& process);
  void Heal();
  void Complain(std::string what) { oracle_.Complain(std::move(what)); }

  Simulation simulation_;
  std::unique_ptr<SimulatedKernel> kernel_;  // of their machine, if it is one
  CallOracle oracle_{kLongest};
  std::vector<std::unique_ptr<SimulatedProcess>> processes_;
  Totals* totals_ = nullptr;
  // Chosen once for a run, so that runs differ more than their calls do.
  const std::size_t calls_;
  const Nanos handler_time_;
  const Nanos timeout_;
  const unsigned fault_every_;  // steps
};

Run::Run(std::uint64_t seed, const Options& options)
    : simulation_(seed),
      calls_(random().Between<std::size_t>(20, 200)),
      handler_time_(random().Time(random().OneIn(8) ? 8 * kSecond : kSecond)),
      timeout_(kMillisecond + random().Time(8 * kSecond)),
      fault_every_(random().OneIn(4) ? 0 : random().Between(30u, 1000u)) {
  if (options.trace) simulation_.set_trace(&std::cout);
  const std::size_t processes = random().Between<std::size_t>(2, 3);
  if (options.machine) MakeKernel(options.mistake);
  for (std::size_t index = 0; index < processes; ++index) AddProcess();
}

void Run::MakeKernel(KernelMistake mistake) {
  SimulatedKernel::Options options;
  options.cpus = random().Between(1u, 4u);
  options.slots = random().Between(2u, 8u);
  options.slice = 100 * kMicrosecond + random().Time(4 * kMillisecond);
  options.idle_wait = random().Time(kMillisecond);
  options.nic_is_here = random().OneIn(2);
  options.mistake = mistake;
  kernel_ = std::make_unique<SimulatedKernel>(simulation_, options);
}

void Run::AddProcess() {
  HostOptions host;
  ProcessOptions process;
  process.limits.running = random().Between(1u, 4u);
  process.limits.threads = random().Between(1u, 5u);
  process.limits.queued = random().Between(1u, 32u);
  process.callers = random().Between(1u, 2u);
  process.calls = random().Between(1u, 24u);
  process.think =
      random().Time(random().OneIn(4) ? 4 * kSecond : 100 * kMillisecond);
  process.names = random().OneIn(2);
  process.lag = random().OneIn(2) ? 0 : random().Time(kMillisecond);
  host.region.endpoints = 1 + process.callers + process.limits.threads;
  host.region.slots = random().Between(2u, 8u);
  host.region.arrived_calls = random().Between(4u, 32u);
  host.region.own_calls = random().Between(4u, 32u);
  host.sessions = random().Between(2u, 6u);
  host.peers = random().Between(3u, 6u);
  if (random().OneIn(4)) host.calls = random().Between(1u, 16u);
  host.engine_lag = random().OneIn(2) ? 0 : random().Time(100 * kMicrosecond);
  host.kernel = kernel_.get();
  simulation_.AddHost(host);
  processes_.push_back(std::make_unique<SimulatedProcess>(
      simulation_, processes_.size(), oracle_, process,
      [this](Random&) { return Plan(0); }));
}

CallPlan Run::Plan(int depth) {
  CallPlan plan;
  plan.server = random().Below(processes_.size());
  plan.linked = depth > 0 && random().OneIn(2);
  plan.known_method = !random().OneIn(50);
  if (random().OneIn(2)) plan.timeout = Timeout();
  if (random().OneIn(10)) plan.cancel_after = Timeout();
  // A handler that waits for ever until a server has room for its process may
  // itself take the room that others wait for.
  plan.wait_for_ready =
      random().OneIn(4) && (depth == 0 || plan.timeout != kNever);
  plan.request_size = random().OneIn(4) ? random().Between(8u, 1392u) : 8;
  plan.reply_size = random().OneIn(4) ? random().Below(1392u) : 0;
  plan.duration = random().Time(handler_time_);
  while (depth < 3 && random().OneIn(6)) plan.nested.push_back(Plan(depth + 1));
  switch (random().Below(40)) {
    case 0:
      plan.ending = Ending::kThreadEnds;
      break;
    case 1:
      plan.ending = Ending::kThreadVanishes;
      break;
    case 2:
    case 3:
      plan.ending = Ending::kUntilCancelled;
      // Handlers cancel none of their calls.
      (depth == 0 && random().OneIn(2) ? plan.cancel_after : plan.timeout) =
          Timeout();
      break;
    case 4:
    case 5:
    case 6:
      plan.ending = Ending::kFail;
      break;
    default:
      break;
  }
  return plan;
}

void Run::SetFaults() {
  MemoryNetwork::Faults faults;
  const auto rate = [this](unsigned most) {
    return random().OneIn(2) ? 0 : random().Below(most);
  };
  faults.loss = rate(300);
  faults.duplication = rate(300);
  faults.reordering = rate(300);
  faults.corruption = rate(100);
  faults.truncation = rate(100);
  faults.min_delay = random().Time(kMillisecond);
  faults.max_delay =
      faults.min_delay +
      random().Time(random().OneIn(8) ? kSecond : 5 * kMillisecond);
  simulation_.network().set_faults(faults);
}

// One of the things that happen to hosts.
void Run::Fault() {
  SimulatedProcess& process = *processes_[random().Below(processes_.size())];
  if (!process.up()) return;
  switch (random().Below(7)) {
    case 0:
    case 1:
      return Crash(process);
    case 2:
      simulation_.set_unplugged(process.host(), true);
      return simulation_.At(simulation_.now() + random().Time(20 * kSecond),
                            [this, &process] {
                              simulation_.set_unplugged(process.host(), false);
                            });
    case 3:
      return process.CloseServer(
          random().OneIn(2) ? 0 : simulation_.now() + Timeout());
    case 4:
      return process.Reconnect(random().Below(processes_.size()));
    case 5: {
      // A NAT forgets where the process's packets came from.
      const SimulatedHost& host = process.host();
      const auto port = random().Between<std::uint16_t>(60'000, 65'000);
      return simulation_.network().Translate(
          host.address(testing::kFirstFreePort), host.address(port));
    }
    default:
      return SetFaults();
  }
}

void Run::Crash(SimulatedProcess& process) {
  ++totals_->crashes;
  totals_->Add(process.host().engine().counters());
  process.Crash();
  simulation_.At(simulation_.now() + random().Time(5 * kSecond), [&process] {
    if (!process.up()) process.Start();
  });
}

void Run::Heal() {
  simulation_.Trace("nothing goes wrong any more, nearly");
  simulation_.network().set_faults({});
  simulation_.LoseFirst(LH_PACKET_CANCEL);
  // A thread without a CPU sees later that its call has ended.
  constexpr Nanos kLate = 100 * kMillisecond;
  if (kernel_ != nullptr) kernel_->Calm();
  oracle_.Healed(simulation_.now() + (kernel_ == nullptr ? 0 : kLate));
  for (const auto& process : processes_) {
    process->set_calling(false);
    simulation_.set_unplugged(process->host(), false);
    if (!process->up()) process->Start();
  }
}

bool Run::Do(Totals* totals) {
  totals_ = totals;
  SetFaults();
  for (const auto& process : processes_) process->Start();
  if (kernel_ != nullptr && !random().OneIn(4)) kernel_->Disturb();
  const Nanos begin = simulation_.now();
  if (!simulation_.RunUntil(begin + 10 * kLongest, [this] {
        if (fault_every_ > 0 && random().OneIn(fault_every_)) Fault();
        return oracle_.started() >= calls_ || !complaints().empty();
      })) {
    Complain("calls are not made any more");
  }
  Heal();
  simulation_.RunUntil(simulation_.now() + kLongest, [this] {
    return oracle_.open() == 0 || !complaints().empty();
  });
  if (complaints().empty()) oracle_.Finish();
  // Whoever still runs a handler learns that nobody waits; then all is quiet.
  const auto quiet = [this] {
    return std::all_of(
        processes_.begin(), processes_.end(), [](const auto& process) {
          return process->handling() == 0 && process->host().Next() == kNever;
        });
  };
  if (complaints().empty() &&
      !simulation_.RunUntil(simulation_.now() + kLongest, quiet)) {
    for (const auto& process : processes_) {
      if (process->handling() > 0) Complain("a handler runs for ever");
      if (process->host().Next() != kNever) {
        Complain("an idle host has a timer");
      }
    }
  }
  for (const auto& process : processes_) {
    totals->Add(process->host().engine().counters());
  }
  for (std::size_t status = 0; status < CallOracle::kStatuses; ++status) {
    totals->statuses[status] += oracle_.statuses()[status];
  }
  totals->broken.lost += oracle_.broken().lost;
  totals->broken.duplicated += oracle_.broken().duplicated;
  totals->broken.wrong_bytes += oracle_.broken().wrong_bytes;
  totals->calls += oracle_.started();
  return complaints().empty();
}

constexpr absl::string_view kHelp = R"(usage: nic_simulation_test [OPTION...]

Simulates calls between engines under faults, one short run for each seed, and
fails if a call is lost, run twice, or answered wrongly.

  --seeds=N    how many runs: 10000, or 2000 on one machine; a hundred times as
               many if LAUBERHORN_LONG=1
  --first=N    the first seed: 1
  --shard=I/N  only every Nth of them, beginning with the Ith (1 to N)
  --seed=N     this one only
  --trace      says what happens, one line each
  --counters   says at the end how often everything happened
  --figures    says at the end how often what must not be was, as `make figures`
               reads it
  --machine    all processes are on one machine, whose kernel publishes its run
               queues
  --mistake=X  as above, and it breaks a rule (SimulatedKernel has their names):
               fails unless something is noticed
)";

// Whether the words are options.
bool Parse(int count, char** words, Options* options) {
  for (int at = 1; at < count; ++at) {
    const absl::string_view word = words[at];
    const auto number = [&](absl::string_view name, std::uint64_t* to) {
      return word.substr(0, name.size()) == name &&
             absl::SimpleAtoi(word.substr(name.size()), to);
    };
    if (word == "--trace") {
      options->trace = true;
    } else if (word == "--counters") {
      options->counters = true;
    } else if (word == "--figures") {
      options->figures = true;
    } else if (word == "--machine") {
      options->machine = true;
    } else if (word.substr(0, 10) == "--mistake=") {
      options->machine = true;
      options->mistake = testing::MistakeOf(word.substr(10));
      if (options->mistake == KernelMistake::kNone) return false;
    } else if (number("--seed=", &options->first)) {
      options->seeds = 1;
    } else if (const std::size_t slash = word.find('/');
               word.substr(0, 8) == "--shard=" && slash != word.npos) {
      if (!absl::SimpleAtoi(word.substr(8, slash - 8), &options->shard) ||
          !absl::SimpleAtoi(word.substr(slash + 1), &options->shards)) {
        return false;
      }
    } else if (!number("--seeds=", &options->seeds) &&
               !number("--first=", &options->first)) {
      return false;
    }
  }
  if (options->seeds == 0) {
    const char* const often = std::getenv("LAUBERHORN_LONG");
    options->seeds = options->machine ? 2'000 : 10'000;
    if (often != nullptr && std::strcmp(often, "1") == 0) options->seeds *= 100;
  }
  return options->shard >= 1 && options->shard <= options->shards;
}

// Runs in which nothing of this ever happened show nothing: so many must have
// seen all of it.
constexpr std::uint64_t kRunsThatShowAll = 1000;
constexpr absl::string_view kMustHappen[] = {"packets_malformed",
                                             "packets_unknown_token",
                                             "packets_stale",
                                             "sessions_grown",
                                             "sessions_evicted",
                                             "sessions_refused",
                                             "openings_refused",
                                             "sessions_failed",
                                             "resets_received",
                                             "calls_duplicate",
                                             "calls_superseded",
                                             "cancels_early",
                                             "calls_unimplemented",
                                             "calls_refused",
                                             "calls_expired",
                                             "calls_delivered",
                                             "calls_delivered_wake",
                                             "calls_queued",
                                             "calls_staged",
                                             "calls_revoked",
                                             "takes_late",
                                             "calls_stuck",
                                             "threads_retired",
                                             "retransmissions",
                                             "probes",
                                             "wakes",
                                             "sleeps",
                                             "outgoing_busy",
                                             "answers_waited",
                                             "clients_lost",
                                             "sessions_moved",
                                             "calls_unasked",
                                             "calls_cancelled"};
constexpr absl::StatusCode kMustBeSeen[] = {
    absl::StatusCode::kOk,
    absl::StatusCode::kCancelled,
    absl::StatusCode::kUnknown,
    absl::StatusCode::kDeadlineExceeded,
    absl::StatusCode::kResourceExhausted,
    absl::StatusCode::kAborted,
    absl::StatusCode::kUnimplemented,
    absl::StatusCode::kUnavailable};

constexpr absl::string_view kOnlyOnMachine[] = {
    "calls_run",  "takes_left",   "wakes_late", "preempts",
    "runs_early", "runs_refused", "interrupts"};
constexpr absl::string_view kNeverOnMachine = "takes_late";

bool AllHappened(const Totals& totals, bool machine) {
  bool all = totals.crashes > 0;
  const auto must_happen = [&](absl::string_view name) {
    const auto at =
        std::find(std::begin(Totals::kNames), std::end(Totals::kNames), name);
    if (totals.counts[at - Totals::kNames] > 0) return;
    std::cout << "never happened: " << name << "\n";
    all = false;
  };
  for (const absl::string_view name : kMustHappen) {
    if (!machine || name != kNeverOnMachine) must_happen(name);
  }
  for (const absl::string_view name : kOnlyOnMachine) {
    if (machine) must_happen(name);
  }
  for (const absl::StatusCode code : kMustBeSeen) {
    if (totals.statuses[static_cast<std::size_t>(code)] > 0) continue;
    std::cout << "never seen: " << code << "\n";
    all = false;
  }
  return all;
}

void Print(const Totals& totals) {
  for (std::size_t at = 0; at < Totals::kCounters; ++at) {
    std::cout << totals.counts[at] << " " << Totals::kNames[at] << "\n";
  }
  for (std::size_t status = 0; status < CallOracle::kStatuses; ++status) {
    std::cout << totals.statuses[status] << " calls with status " << status
              << "\n";
  }
}

void PrintFigures(std::uint64_t runs, const CallOracle::Broken& broken) {
  std::cout << "FIGURE sim_seeds_run " << runs << " runs\n"
            << "FIGURE sim_lost " << broken.lost << " calls\n"
            << "FIGURE sim_duplicated " << broken.duplicated << " calls\n"
            << "FIGURE sim_wrong_bytes " << broken.wrong_bytes << " messages\n";
}

int Main(int count, char** words) {
  Options options;
  if (count == 2 && std::strcmp(words[1], "--help") == 0) {
    std::cout << kHelp;
    return 0;
  }
  if (!Parse(count, words, &options)) {
    std::cerr << kHelp;
    return 2;
  }
  Totals totals;
  std::uint64_t runs = 0;
  int failed = 0;
  const int most_failed = options.mistake == KernelMistake::kNone ? 5 : 1;
  for (std::uint64_t at = options.shard - 1;
       at < options.seeds && failed < most_failed; at += options.shards) {
    const std::uint64_t seed = options.first + at;
    Run run(seed, options);
    ++runs;
    if (run.Do(&totals)) continue;
    ++failed;
    std::cout << "seed " << seed << " failed; replay: " << words[0]
              << (options.machine ? " --machine" : "") << " --seed=" << seed
              << " --trace\n";
    for (const std::string& complaint : run.complaints()) {
      std::cout << "  " << complaint << "\n";
    }
  }
  if (options.counters) Print(totals);
  if (options.figures) PrintFigures(runs, totals.broken);
  if (runs >= kRunsThatShowAll && failed == 0 &&
      !AllHappened(totals, options.machine)) {
    failed = 1;
  }
  std::cout << runs << " runs, " << totals.calls << " calls, " << totals.crashes
            << " crashes, " << failed << " runs failed\n";
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lauberhorn::nic

int main(int argc, char** argv) { return lauberhorn::nic::Main(argc, argv); }
