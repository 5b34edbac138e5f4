// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_worker.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::testing {
namespace {

constexpr std::uint64_t Number(absl::StatusCode code) {
  return static_cast<std::uint64_t>(code);
}

}  // namespace

SimulatedWorker::SimulatedWorker(SimulatedProcess& process,
                                 std::uint32_t endpoint)
    : process_(process),
      endpoint_(endpoint),
      serve_(process.host().serve(endpoint)),
      call_(process.host().call(endpoint)),
      serve_wait_(serve_, process.simulation().random(), process.options().lag),
      call_wait_(call_, process.simulation().random(), process.options().lag) {}

Nanos SimulatedWorker::Run(Nanos now) {
  Nanos next;
  for (;;) {
    if (!outbox_.Flush()) return now + kRetryPut;
    switch (state_) {
      case kStarting: {
        lh_message header = Header(LH_KIND_EMPTY);
        header.call = 0;
        header.aux = 1;
        outbox_.Put(serve_, header);
        process_.WorkerBegins();
        state_ = kWaiting;
        break;
      }
      case kWaiting:
        if (!serve_wait_.Take(now, &message_, &held_, &next)) return next;
        BeginHandler(now);
        break;
      case kComputing:
        if (now < goes_on_) return goes_on_;
        if (calls_made_ < running_->plan.nested.size()) {
          CallOut();
        } else {
          EndHandler();
        }
        break;
      case kCalling: {
        TakenMessage answer;
        if (!call_wait_.Take(now, &answer, nullptr, &next)) return next;
        if (!process_.OnAnswer(answer)) break;
        outbox_.Put(serve_, Header(LH_KIND_ENTER));
        state_ = kComputing;
        goes_on_ = now + running_->plan.duration;
        break;
      }
      case kLingering:
        if (!IsCancelled()) return kNever;
        process_.oracle().Told(*running_, goes_on_, now);
        Reply(0, CallOracle::ReplyOf(*running_));
        break;
      case kResigning:
        if (!serve_wait_.Take(now, &message_, &held_, &next)) return next;
        RefuseStaged();
        break;
      case kEnded:
        return kNever;
    }
  }
}

void SimulatedWorker::Wake(const __u64* word, Nanos now) {
  serve_wait_.Wake(word, now);
  call_wait_.Wake(word, now);
}

lh_message SimulatedWorker::Header(lh_kind kind) const {
  lh_message header = {};
  header.kind = static_cast<std::uint8_t>(kind);
  header.call = message_.header.call;
  return header;
}

void SimulatedWorker::BeginHandler(Nanos now) {
  if (message_.header.kind == LH_KIND_RETIRE) {
    process_.simulation().Trace("worker ", endpoint_, " retires");
    serve_.Release(held_);
    Close();
    return process_.WorkerEnds(endpoint_);
  }
  if (message_.header.kind != LH_KIND_CALL) {
    process_.oracle().Complain(
        absl::StrCat("a worker got a message of kind ", message_.header.kind));
  }
  if ((message_.header.flags & LH_FLAG_GROW) != 0) process_.Grow();
  running_ = process_.oracle().Run(message_.payload);
  if (running_ == nullptr) {
    return Reply(Number(absl::StatusCode::kDataLoss), "no request");
  }
  process_.simulation().Trace("worker ", endpoint_, " of process ",
                              running_->plan.server, " runs call ",
                              running_->id);
  process_.HandlerBegins();
  calls_made_ = 0;
  state_ = kComputing;
  goes_on_ = now + running_->plan.duration;
}

void SimulatedWorker::CallOut() {
  const CallPlan& plan = running_->plan.nested[calls_made_++];
  const Nanos latest =
      message_.header.deadline == 0 ? kNever : message_.header.deadline;
  lh_message header;
  std::string request;
  if (process_.NewCall(plan, latest, endpoint_, &header, &request) == 0) {
    return;  // too many are open: it goes without
  }
  outbox_.Put(serve_, Header(LH_KIND_LEAVE));
  if (plan.linked) {
    lh_message link = {};
    link.kind = LH_KIND_LINK;
    link.call = header.call;
    link.data = message_.header.call;
    outbox_.Put(call_, link);
  }
  outbox_.Put(call_, header, request);
  state_ = kCalling;
}

void SimulatedWorker::EndHandler() {
  switch (running_->plan.ending) {
    case CallPlan::Ending::kReply:
      return Reply(0, CallOracle::ReplyOf(*running_));
    case CallPlan::Ending::kFail:
      return Reply(Number(absl::StatusCode::kAborted),
                   absl::StrCat("call ", running_->id, " fails"));
    case CallPlan::Ending::kUntilCancelled:
      state_ = kLingering;
      return;
    case CallPlan::Ending::kThreadEnds:
      return Resign();
    case CallPlan::Ending::kThreadVanishes:
      process_.simulation().Trace("worker ", endpoint_, " vanishes");
      process_.HandlerEnds();
      serve_.Release(held_);
      Close();
      return process_.WorkerVanishes(endpoint_);
  }
}

// Answers the handler's call and waits for the next.
void SimulatedWorker::Reply(std::uint64_t status, absl::string_view payload) {
  if (running_ != nullptr) {
    process_.oracle().Answer(*running_, status, payload);
    process_.HandlerEnds();
  }
  lh_message header = Header(LH_KIND_REPLY);
  header.code = status;
  outbox_.Put(serve_, header, payload);
  serve_.Release(held_);
  running_ = nullptr;
  state_ = kWaiting;
}

// As Endpoint::ResignCall() of librpc.
void SimulatedWorker::Resign() {
  process_.simulation().Trace("worker ", endpoint_, " ends in its handler");
  lh_command_handle handle;
  handle.handle = lh_handle(endpoint_, 1);
  (void)process_.host().Control(process_.simulation().now(),
                                LH_COMMAND_ENDPOINT_RETIRE, Payload(handle));
  Reply(Number(absl::StatusCode::kUnknown),
        "the thread that ran the handler has ended");
  state_ = kResigning;
}

void SimulatedWorker::RefuseStaged() {
  serve_.Release(held_);
  if (message_.header.kind == LH_KIND_RETIRE) {
    Close();
    process_.WorkerEnds(endpoint_);
    return process_.Grow();  // in its place
  }
  constexpr absl::string_view kText =
      "the thread that was to run the handler has ended";
  constexpr std::uint64_t kUnavailable = Number(absl::StatusCode::kUnavailable);
  if (CallOracle::Call* const call = process_.oracle().Find(message_.payload)) {
    process_.oracle().Answer(*call, kUnavailable, kText);
  }
  lh_message header = Header(LH_KIND_REPLY);
  header.code = kUnavailable;
  outbox_.Put(serve_, header, kText);
}

void SimulatedWorker::Close() {
  for (HostChannel* const channel : {&serve_, &call_}) {
    TakenMessage dropped;
    while (!channel->Close()) (void)channel->Take(&dropped);
  }
  state_ = kEnded;
}

bool SimulatedWorker::IsCancelled() {
  const std::uint64_t call = message_.header.call;
  const std::uint64_t word =
      process_.host().region().call_word(lh_handle_index(call))->word;
  return lh_handle_generation(word) == lh_handle_generation(call) &&
         lh_handle_index(word) != 0;
}

}  // namespace lauberhorn::nic::testing
