// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulated_caller.h"

#include <algorithm>
#include <string>

namespace lauberhorn::nic::testing {

SimulatedCaller::SimulatedCaller(SimulatedProcess& process,
                                 std::uint32_t endpoint)
    : process_(process),
      endpoint_(endpoint),
      channel_(process.host().call(endpoint)),
      wait_(channel_, process.simulation().random(), process.options().lag) {}

Nanos SimulatedCaller::Run(Nanos now) {
  Nanos next;
  TakenMessage answer;
  while (wait_.Take(now, &answer, nullptr, &next)) {
    (void)process_.OnAnswer(answer);
  }
  if (!outbox_.Flush()) return std::min(next, now + kRetryPut);
  while (!cancels_.empty() && cancels_.begin()->first <= now) {
    Cancel(cancels_.begin()->second);
    cancels_.erase(cancels_.begin());
  }
  if (process_.MayCall()) {
    if (next_call_ <= now) {
      Call(now);
      next_call_ =
          now + process_.simulation().random().Time(process_.options().think);
    }
    next = std::min(next, std::max(next_call_, now + 1));
  } else if (process_.calling() && process_.host().options().kernel) {
    // Another thread may make room, and does not wake this one.
    next = std::min(next, now + kMillisecond);
  }
  if (!cancels_.empty()) next = std::min(next, cancels_.begin()->first);
  return next;
}

void SimulatedCaller::Call(Nanos now) {
  const CallPlan plan = process_.NextPlan();
  lh_message header;
  std::string request;
  const std::uint64_t handle = process_.NewCall(
      plan, kNever, process_.RandomCaller(), &header, &request);
  outbox_.Put(channel_, header, request);
  if (plan.cancel_after != kNever) {
    cancels_.emplace(now + plan.cancel_after, handle);
  }
}

void SimulatedCaller::Cancel(std::uint64_t handle) {
  CallOracle::Call* const call = process_.OpenCall(handle);
  if (call == nullptr) return;  // it has ended
  process_.simulation().Trace("call ", call->id, " is cancelled");
  call->cancelled = true;
  lh_message header = {};
  header.kind = LH_KIND_CANCEL;
  header.call = handle;
  outbox_.Put(channel_, header);
  process_.PutAgain(handle);
}

}  // namespace lauberhorn::nic::testing
