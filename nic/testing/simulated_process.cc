// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_process.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nic/testing/simulated_caller.h"
#include "nic/testing/simulated_thread.h"
#include "nic/testing/simulated_worker.h"

namespace lauberhorn::nic::testing {
namespace {

constexpr std::uint64_t kMethod = 7;
constexpr std::uint64_t kUnknownMethod = 8;
constexpr absl::string_view kMethodName = "/simulated.Service/Call";

// Above the numbers of the commands that are answered at once.
constexpr std::uint64_t kCloseCommand = std::uint64_t{1} << 32;

constexpr Nanos kClosedTime = kSecond;        // of a server, at most
constexpr Nanos kReplaceTime = kMillisecond;  // of a worker, at most

// The thread that waits for a server to be closed.
class CloseThread final : public SimulatedThread {
 public:
  explicit CloseThread(SimulatedProcess& process) : process_(process) {}

  Nanos Run(Nanos now) override {
    TakenMessage result;
    if (process_.host().TakeLateResult(&result)) {
      if (result.header.call != kCloseCommand || result.header.code != 0) {
        process_.oracle().Complain(
            absl::StrCat("closing a server: ", result.payload));
      }
      open_at_ = now + process_.simulation().random().Time(kClosedTime);
    }
    if (open_at_ <= now) {
      open_at_ = kNever;
      process_.OpenServer();
    }
    process_.host().call(0).BeforeSleep();
    return open_at_;
  }
  void Wake(const __u64*, Nanos) override {}

 private:
  SimulatedProcess& process_;
  Nanos open_at_ = kNever;
};

}  // namespace

SimulatedProcess::SimulatedProcess(Simulation& simulation, std::size_t index,
                                   CallOracle& oracle,
                                   const ProcessOptions& options,
                                   Planner planner)
    : simulation_(simulation),
      index_(index),
      host_(simulation.host(index)),
      oracle_(oracle),
      options_(options),
      planner_(std::move(planner)) {}

void SimulatedProcess::Start() {
  simulation_.Trace("process ", index_, " starts");
  host_.Start(now());
  ++incarnation_;
  const RegionOptions& region = host_.options().region;
  numbers_.assign(region.own_calls, {});
  free_numbers_.clear();
  for (std::uint32_t number = region.own_calls; number > 0; --number) {
    free_numbers_.push_back(number - 1);
  }
  open_calls_ = 0;
  busy_.clear();
  // Endpoint 0 is for commands, the next are the callers'.
  free_endpoints_.clear();
  for (std::uint32_t at = region.endpoints; at > options_.callers + 1; --at) {
    free_endpoints_.push_back(at - 1);
  }
  used_.assign(region.endpoints, false);
  workers_ = handling_ = 0;
  growing_ = false;

  SetThreadLimit(options_.limits.threads);
  if (options_.names) {
    lh_command_method_name name = {};
    name.method = kMethod;
    name.name_length = static_cast<std::uint16_t>(kMethodName.size());
    Control(LH_COMMAND_METHOD_NAME, absl::StrCat(Payload(name), kMethodName));
  }
  OpenServer();
  peers_.assign(simulation_.host_count(), 0);
  for (std::size_t server = 0; server < peers_.size(); ++server) {
    Connect(server);
  }
  host_.AddThread(std::make_unique<CloseThread>(*this));
  Grow();
  for (std::uint32_t caller = 0; caller < options_.callers; ++caller) {
    host_.AddThread(std::make_unique<SimulatedCaller>(*this, caller + 1));
  }
}

void SimulatedProcess::Crash() {
  simulation_.Trace("process ", index_, " crashes");
  oracle_.CallerDied(index_);
  host_.Crash();
  serving_ = false;
  handling_ = 0;
}

lh_message SimulatedProcess::Control(lh_command command,
                                     absl::string_view payload) {
  std::string text;
  const lh_message result = host_.Control(now(), command, payload, &text);
  if (result.kind != LH_KIND_RESULT || result.code != 0) {
    oracle_.Complain(absl::StrCat("command ", command, " of process ", index_,
                                  " ended with ", result.code, ", '", text,
                                  "'"));
  }
  return result;
}

void SimulatedProcess::SetThreadLimit(std::uint32_t threads) {
  lh_command_limits limits = {};
  limits.running = options_.limits.running;
  limits.threads = threads;
  limits.queued = options_.limits.queued;
  Control(LH_COMMAND_LIMITS, Payload(limits));
}

void SimulatedProcess::OpenServer() {
  simulation_.Trace("process ", index_, " opens its server");
  lh_command_method method = {};
  method.method = kMethod;
  const auto control = [this](lh_command command, absl::string_view payload) {
    return Control(command, payload).data;
  };
  server_ = testing::OpenServer(control, method, kMethodName,
                                host_.address(kPort).raw())
                .handle;
  serving_ = true;
}

void SimulatedProcess::CloseServer(Nanos deadline) {
  if (!serving_) return;
  simulation_.Trace("process ", index_, " closes its server");
  serving_ = false;
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = LH_COMMAND_SERVER_CLOSE;
  header.call = kCloseCommand;
  lh_command_close close = {};
  close.server = server_;
  close.deadline = deadline;
  if (!host_.call(0).Put(header, Payload(close))) {
    oracle_.Complain("there is no room for a command");
  }
}

void SimulatedProcess::Connect(std::size_t server) {
  lh_command_listen connect = {};
  connect.address = simulation_.host(server).address(kPort).raw();
  peers_[server] = Control(LH_COMMAND_CONNECT, Payload(connect)).data;
}

void SimulatedProcess::Reconnect(std::size_t server) {
  simulation_.Trace("process ", index_, " reconnects to ", server);
  oracle_.Disconnected(index_, server);
  lh_command_handle handle;
  handle.handle = peers_[server];
  Control(LH_COMMAND_DISCONNECT, Payload(handle));
  Connect(server);
}

std::uint64_t SimulatedProcess::NewCall(const CallPlan& plan, Nanos latest,
                                        std::uint32_t answer_to,
                                        lh_message* header,
                                        std::string* request) {
  if (free_numbers_.empty()) return 0;
  const std::uint32_t index = free_numbers_.back();
  free_numbers_.pop_back();
  Number& number = numbers_[index];
  ++number.generation;
  CallOracle::Call& call = oracle_.Start(plan, index_, now(), latest);
  number.call = &call;
  ++open_calls_;
  *header = {};
  header->kind = LH_KIND_CALL;
  header->call = lh_handle(host_.options().region.arrived_calls + index,
                           number.generation);
  header->code = plan.known_method ? kMethod : kUnknownMethod;
  header->data = peers_[plan.server];
  header->deadline = call.deadline == kNever ? 0 : call.deadline;
  header->flags = plan.wait_for_ready ? LH_FLAG_WAIT_FOR_READY : 0;
  header->aux = static_cast<std::uint16_t>(answer_to + 1);
  number.header = *header;
  *request = CallOracle::RequestOf(call);
  simulation_.Trace("process ", index_, " starts call ", call.id, " to ",
                    plan.server);
  return header->call;
}

CallOracle::Call* SimulatedProcess::OpenCall(std::uint64_t handle) {
  const std::uint32_t index = IndexOf(handle);
  if (index >= numbers_.size() ||
      numbers_[index].generation != lh_handle_generation(handle)) {
    return nullptr;
  }
  return numbers_[index].call;
}

bool SimulatedProcess::OnAnswer(const TakenMessage& answer) {
  const std::uint64_t handle = answer.header.call;
  CallOracle::Call* const call = OpenCall(handle);
  const std::uint8_t kind = answer.header.kind;
  if ((kind != LH_KIND_REPLY && kind != LH_KIND_BUSY) || call == nullptr) {
    oracle_.Complain(absl::StrCat("process ", index_, " got a message of kind ",
                                  kind, " about handle ", absl::Hex(handle),
                                  ", which is not open"));
    return false;
  }
  if (kind == LH_KIND_REPLY) {
    End(handle, answer.header.code, answer.payload);
    return true;
  }
  simulation_.Trace("call ", call->id, " finds the NIC busy");
  if (numbers_[IndexOf(handle)].header.aux <= options_.callers + 1) {
    OnBusy(handle);
    return false;
  }
  constexpr auto kExhausted =
      static_cast<std::uint64_t>(absl::StatusCode::kResourceExhausted);
  End(handle, kExhausted, "too many calls are open");
  return true;
}

void SimulatedProcess::End(std::uint64_t handle, std::uint64_t status,
                           absl::string_view text) {
  CallOracle::Call& call = *OpenCall(handle);
  simulation_.Trace("call ", call.id, " ends with ", status,
                    status == 0 ? "" : ": ", status == 0 ? "" : text);
  oracle_.End(call, status, text, now());
  numbers_[IndexOf(handle)].call = nullptr;
  free_numbers_.push_back(IndexOf(handle));
  --open_calls_;
  const std::set<std::uint64_t> busy = busy_;
  for (const std::uint64_t again : busy) PutAgain(again);
}

// It comes again after the next answer, or at its deadline.
void SimulatedProcess::OnBusy(std::uint64_t handle) {
  busy_.insert(handle);
  Nanos again = OpenCall(handle)->deadline;
  if (busy_.size() == open_calls_) again = now();
  if (again != kNever) PutAgainAt(again, handle);
}

void SimulatedProcess::PutAgainAt(Nanos when, std::uint64_t handle) {
  simulation_.At(when, [this, handle, incarnation = incarnation_] {
    if (up() && incarnation == incarnation_) PutAgain(handle);
  });
}

void SimulatedProcess::PutAgain(std::uint64_t handle) {
  if (!busy_.contains(handle)) return;
  const Number& number = numbers_[IndexOf(handle)];
  if (host_.call(number.header.aux - 1u)
          .Put(number.header, CallOracle::RequestOf(*number.call))) {
    busy_.erase(handle);
  } else {
    PutAgainAt(now() + kRetryPut, handle);
  }
}

std::uint32_t SimulatedProcess::RandomCaller() {
  return simulation_.random().Below(options_.callers) + 1;
}

void SimulatedProcess::Grow() {
  if (growing_) return;
  if (workers_ >= options_.limits.threads) return;
  if (free_endpoints_.empty()) return SetThreadLimit(std::max(workers_, 1u));
  growing_ = true;
  const std::uint32_t endpoint = free_endpoints_.back();
  free_endpoints_.pop_back();
  StartWorker(endpoint);
}

void SimulatedProcess::StartWorker(std::uint32_t endpoint) {
  ++workers_;
  if (used_[endpoint]) {
    lh_command_handle handle;
    handle.handle = lh_handle(endpoint, 1);
    Control(LH_COMMAND_ENDPOINT_REOPEN, Payload(handle));
  }
  used_[endpoint] = true;
  host_.AddThread(std::make_unique<SimulatedWorker>(*this, endpoint));
}

void SimulatedProcess::WorkerEnds(std::uint32_t endpoint) {
  --workers_;
  free_endpoints_.push_back(endpoint);
}

void SimulatedProcess::WorkerVanishes(std::uint32_t endpoint) {
  --workers_;
  simulation_.At(now() + simulation_.random().Time(kReplaceTime),
                 [this, endpoint, incarnation = incarnation_] {
                   if (up() && incarnation == incarnation_) {
                     StartWorker(endpoint);
                   }
                 });
}

}  // namespace lauberhorn::nic::testing
