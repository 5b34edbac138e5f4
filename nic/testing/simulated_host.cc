// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_host.h"

#include <algorithm>
#include <utility>

#include "nic/testing/simulated_kernel.h"

namespace lauberhorn::nic::testing {
namespace {

// How long a turn of the engine takes, if it has the next at once.
constexpr Nanos kTurn = kMicrosecond;

// Turns after which a command has been answered, if nothing is wrong.
constexpr int kTurnsPerCommand = 5;

}  // namespace

struct SimulatedHost::Process {
  Process(const HostOptions& options, const Processors::Attachment& attachment,
          const Secret& secret, WireFactory& wires, Waker& waker, int* rings)
      : memory(options.region),
        region(options.region, memory.bytes()),
        engine({.secret = secret,
                .sessions = options.sessions,
                .peers = options.peers,
                .calls = options.calls,
                .processors = options.kernel == nullptr
                                  ? nullptr
                                  : &options.kernel->processors(),
                .attachment = attachment},
               region, wires, waker) {
    region.Ready();
    for (std::uint32_t at = 0; at < options.region.endpoints; ++at) {
      for (const Which which : {Which::kServe, Which::kCall}) {
        channels.emplace_back(region.base(), at, which);
        channels.back().CountRingsAt(rings);
      }
    }
  }

  RegionMemory memory;
  Region region;
  Engine engine;
  std::vector<HostChannel> channels;  // by number
  std::vector<std::unique_ptr<SimulatedThread>> threads;
};

SimulatedHost::SimulatedHost(MemoryNetwork& network, std::uint8_t number,
                             const HostOptions& options, std::uint64_t seed)
    : options_(options),
      number_(number),
      wires_(network.Host(TestAddress(number))),
      random_(seed) {}

SimulatedHost::~SimulatedHost() = default;

void SimulatedHost::Start(Nanos now) {
  Secret secret;
  for (std::uint8_t& byte : secret) byte = random_.Below<std::uint8_t>(255);
  Processors::Attachment attachment = {};
  if (options_.kernel != nullptr) attachment = options_.kernel->Attach(*this);
  process_ = std::make_unique<Process>(options_, attachment, secret, *wires_,
                                       static_cast<Waker&>(*this), &rings_);
  asleep_ = false;
  engine_at_ = now;
}

void SimulatedHost::Crash() {
  if (options_.kernel != nullptr) options_.kernel->Crash(*this);
  process_.reset();
  woken_.clear();
  late_results_.clear();
  rings_ = 0;
  engine_at_ = threads_at_ = kNever;
}

Engine& SimulatedHost::engine() { return process_->engine; }

Region& SimulatedHost::region() { return process_->region; }

HostChannel& SimulatedHost::serve(std::size_t endpoint) {
  return process_->channels[2 * endpoint];
}

HostChannel& SimulatedHost::call(std::size_t endpoint) {
  return process_->channels[2 * endpoint + 1];
}

lh_message SimulatedHost::Control(Nanos now, lh_command command,
                                  absl::string_view payload,
                                  std::string* text) {
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = command;
  header.call = ++command_;
  TakenMessage result = {};
  if (call(0).Put(header, payload)) {
    for (int turn = 0; turn < kTurnsPerCommand; ++turn) {
      TakeTurn(now);
      while (result.header.call != command_ && call(0).Take(&result)) {
        if (result.header.call != command_) late_results_.push_back(result);
      }
      if (result.header.call == command_) break;
    }
  }
  if (text != nullptr) *text = result.payload;
  return result.header;
}

bool SimulatedHost::TakeLateResult(TakenMessage* result) {
  if (late_results_.empty()) return call(0).Take(result);
  *result = std::move(late_results_.front());
  late_results_.pop_front();
  return true;
}

void SimulatedHost::AddThread(std::unique_ptr<SimulatedThread> thread) {
  if (options_.kernel != nullptr) options_.kernel->Begin(*this, *thread);
  process_->threads.push_back(std::move(thread));
  threads_at_ = 0;
}

void SimulatedHost::RunEngineAt(Nanos when) {
  if (options_.engine_lag > 0) when += random_.Time(options_.engine_lag);
  engine_at_ = std::min(engine_at_, when);
}

void SimulatedHost::Run(Nanos now) {
  if (rings_ > 0) {
    rings_ = 0;
    RunEngineAt(now);
  }
  if (engine_at_ <= now) TakeTurn(now);
  if (threads_at_ <= now) RunThreads(now);
}

void SimulatedHost::TakeTurn(Nanos now) {
  Engine& engine = process_->engine;
  if (asleep_) engine.Awake();
  asleep_ = false;
  engine_at_ = kNever;  // a packet to itself may come meanwhile
  SimulatedKernel* const kernel = options_.kernel;
  if (kernel != nullptr) kernel->BeforeTurn(now);
  Nanos next = engine.Poll(now);
  if (kernel != nullptr) {
    kernel->AfterTurn(now);
    next = std::min(next, kernel->processors().Next(now));
  }
  threads_at_ = now;  // what it did they may see
  if (next > now && engine.TryToSleep() &&
      (kernel == nullptr || !kernel->processors().HasNews())) {
    asleep_ = true;
    if (next != kNever) RunEngineAt(next);
  } else {
    engine.Awake();
    RunEngineAt(now + kTurn);
  }
}

void SimulatedHost::Wake(std::uint32_t, __u64* word) { woken_.push_back(word); }

void SimulatedHost::RunThreads(Nanos now) {
  auto& threads = process_->threads;
  SimulatedKernel* const kernel = options_.kernel;
  for (const __u64* const word : woken_) {
    for (const auto& thread : threads) thread->Wake(word, now);
  }
  woken_.clear();
  threads_at_ = kNever;
  // They may start others, and make commands.
  for (std::size_t at = 0; at < threads.size(); ++at) {
    SimulatedThread& thread = *threads[at];
    if (kernel != nullptr && !kernel->MayRun(thread)) continue;
    const Nanos next = thread.Run(now);
    if (kernel != nullptr) kernel->Ran(thread, next);
    threads_at_ = std::min(threads_at_, next);
    if (kernel != nullptr && thread.ended()) kernel->End(thread);
  }
  threads.erase(
      std::remove_if(threads.begin(), threads.end(),
                     [](const auto& thread) { return thread->ended(); }),
      threads.end());
}

}  // namespace lauberhorn::nic::testing
