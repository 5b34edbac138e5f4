// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/call_oracle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::testing {
namespace {

// How much later than its deadline the caller may see the end.
constexpr Nanos kDeadlineSlack = kSecond;

// How much later than that the handler may hear of it.
constexpr Nanos kTellingTime = kSecond;

// The call's number, then bytes that are like those of no other call.
std::string Pattern(std::uint64_t id, std::size_t size, unsigned salt) {
  std::string bytes(std::max(size, sizeof(id)), '\0');
  std::memcpy(bytes.data(), &id, sizeof(id));
  for (std::size_t at = sizeof(id); at < bytes.size(); ++at) {
    bytes[at] = static_cast<char>(id * 31 + at * 7 + salt);
  }
  return bytes;
}

// Whether an end with this error says that the call has not run.
bool SaysNotRun(absl::StatusCode code, absl::string_view text) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInvalidArgument:
      return true;
    case absl::StatusCode::kUnavailable:
      return !absl::StrContains(text, "may have run");
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrContains(text, "before the call could be sent") ||
             absl::StrContains(text, "was queued");
    default:
      return false;
  }
}

}  // namespace

CallOracle::Call& CallOracle::Start(const CallPlan& plan, std::size_t caller,
                                    Nanos now, Nanos latest) {
  Call& call = calls_.emplace_back();
  call.id = calls_.size() - 1;
  call.plan = plan;
  call.caller = caller;
  call.started = now;
  call.deadline =
      std::min(plan.timeout == kNever ? kNever : now + plan.timeout, latest);
  ++open_;
  return call;
}

std::string CallOracle::RequestOf(const Call& call) {
  return Pattern(call.id, call.plan.request_size, 1);
}

std::string CallOracle::ReplyOf(const Call& call) {
  return Pattern(call.id, call.plan.reply_size, 2);
}

CallOracle::Call* CallOracle::Find(absl::string_view request) {
  std::uint64_t id = 0;
  if (request.size() >= sizeof(id)) {
    std::memcpy(&id, request.data(), sizeof(id));
    if (id < calls_.size() && request == RequestOf(calls_[id])) {
      return &calls_[id];
    }
  }
  ++broken_.wrong_bytes;
  Complain(
      absl::StrCat("a request of ", request.size(), " bytes that nobody sent"));
  return nullptr;
}

CallOracle::Call* CallOracle::Run(absl::string_view request) {
  Call* const call = Find(request);
  if (call == nullptr) return nullptr;
  if (++call->runs > 1) {
    ++broken_.duplicated;
    Complain(*call, "ran twice");
  }
  if (!call->plan.known_method) Complain(*call, "ran without a method");
  return call;
}

void CallOracle::Answer(Call& call, std::uint64_t status,
                        absl::string_view payload) {
  if (call.answered) return Complain(call, "was answered twice");
  call.answered = true;
  call.answer_status = status;
  call.answer = std::string(payload);
}

void CallOracle::End(Call& call, std::uint64_t status, absl::string_view text,
                     Nanos now) {
  if (++call.ends > 1) {
    ++broken_.duplicated;
    return Complain(call, "ended twice");
  }
  --open_;
  if (status >= kStatuses) return Complain(call, "ended with no status");
  ++statuses_[status];
  call.ended = now;
  call.status = status;
  call.text = std::string(text);
  const auto code = static_cast<absl::StatusCode>(status);
  if (code == absl::StatusCode::kDeadlineExceeded && now < call.deadline) {
    Complain(call, "ended before its deadline");
  }
  const Nanos latest =
      call.deadline == kNever
          ? call.started + longest_
          : std::max(call.started, call.deadline) + kDeadlineSlack;
  if (now > latest) {
    Complain(call, absl::StrCat("ended ", (now - latest) / kMillisecond,
                                " ms later than it may"));
  }
}

void CallOracle::Told(const Call& call, Nanos since, Nanos now) {
  if (call.ends == 0 || call.ended < healed_) return;
  if (now > std::max(since, call.ended) + kTellingTime) {
    Complain(call, absl::StrCat("ended ", (now - call.ended) / kMillisecond,
                                " ms before its handler heard of it"));
  }
}

void CallOracle::CallerDied(std::size_t caller) {
  for (Call& call : calls_) {
    if (call.caller != caller || call.ends > 0 || call.caller_died) continue;
    call.caller_died = true;
    --open_;
  }
}

void CallOracle::Disconnected(std::size_t caller, std::size_t server) {
  for (Call& call : calls_) {
    if (call.caller == caller && call.plan.server == server && call.ends == 0) {
      call.disconnected = true;
    }
  }
}

void CallOracle::Finish() {
  for (const Call& call : calls_) {
    if (call.caller_died) continue;
    if (call.ends == 0) {
      ++broken_.lost;
      Complain(call, "never ended");
    } else {
      Check(call);
    }
  }
}

void CallOracle::Check(const Call& call) {
  const auto code = static_cast<absl::StatusCode>(call.status);
  if (call.answered && call.status == call.answer_status &&
      call.text == call.answer) {
    return;  // the handler's own
  }
  if (SaysNotRun(code, call.text) && call.runs > 0) {
    Complain(call, "has run");
  }
  switch (code) {
    case absl::StatusCode::kCancelled:
      if (!call.cancelled && !call.disconnected && !call.plan.linked) {
        Complain(call, "was not cancelled");
      }
      break;
    case absl::StatusCode::kInvalidArgument:
      if (!call.disconnected) Complain(call, "was to a peer that there was");
      break;
    case absl::StatusCode::kUnknown:
      // Its thread, or the one that it was staged at, has vanished.
      if (!absl::StrContains(call.text, "may have run")) {
        Complain(call, "does not say that it may have run");
      }
      break;
    case absl::StatusCode::kUnimplemented:
      if (call.plan.known_method) Complain(call, "was of a known method");
      break;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      break;
    default:
      ++broken_.wrong_bytes;
      Complain(call, "has an answer that its handler did not give");
  }
}

void CallOracle::Complain(std::string what) {
  complaints_.push_back(std::move(what));
}

void CallOracle::Complain(const Call& call, absl::string_view what) {
  std::string end = "no end yet";
  if (call.ends > 0) {
    end = absl::StrCat("status ", call.status);
    if (call.status != 0) absl::StrAppend(&end, ", '", call.text, "'");
  }
  Complain(absl::StrCat("call ", call.id, " of process ", call.caller, " to ",
                        call.plan.server, " ", what, ": ", call.runs, " runs, ",
                        end));
}

}  // namespace lauberhorn::nic::testing
