// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/workers.h"

#include <cxxabi.h>
#include <pthread.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "librpc/arrived_call.h"
#include "librpc/connection.h"

namespace lauberhorn {
namespace {

// A forced unwinding has no exception object; catching it binds a reference to
// null, which is how it is meant to be.
ABSL_ATTRIBUTE_NO_SANITIZE_UNDEFINED
void RunHandler(const MethodRows& methods, ArrivedCall& call) {
  const MethodRows::Row* const row =
      methods.Find(call.method_index(), call.code());
  if (row == nullptr) {
    return call.Fail(absl::StatusCode::kInternal,
                     "the NIC named a method that this process has not");
  }
  if (!call.good()) {
    return call.Fail(absl::StatusCode::kInternal,
                     "the NIC's message breaks the contract");
  }
  try {
    row->thunk(row->service, call);
  } catch (const std::exception& error) {
    if (!call.answered()) {
      call.Fail(absl::StatusCode::kUnknown,
                absl::StrCat("the handler threw: ", error.what()));
    }
  } catch (const abi::__forced_unwind&) {
    throw;  // the handler ends its thread
  } catch (...) {
    if (!call.answered()) {
      call.Fail(absl::StatusCode::kUnknown, "the handler threw");
    }
  }
  if (!call.answered()) {
    call.Fail(absl::StatusCode::kInternal,
              "the handler returned without an answer");
  }
}

}  // namespace

Workers::Workers(EndpointPool& endpoints, const MethodRows& methods,
                 const Attachment& attachment, const lh_command_limits& limits)
    : endpoints_(endpoints),
      methods_(methods),
      attachment_(attachment),
      limits_(limits) {}

Workers::~Workers() {
  WaitForEnd();
  for (Worker& worker : ended_) worker.thread.join();
}

absl::Status Workers::Acquire() {
  const std::lock_guard<std::mutex> users_lock(users_mutex_);
  if (users_ == 0) {
    absl::Status status = endpoints_.ControlSurely(LH_COMMAND_LIMITS, limits_);
    if (!status.ok()) return status;
    std::unique_lock<std::mutex> lock(mutex_);
    begun_.reset();
    status = Start();
    if (!status.ok()) return status;
    needed_ = true;
    // It takes its endpoint itself: it is its thread's.
    while (!begun_.has_value()) changed_.wait(lock);
    status = *begun_;
    lock.unlock();
    if (!status.ok()) {
      StopAll();
      return status;
    }
  }
  ++users_;
  return absl::OkStatus();
}

void Workers::Release() {
  const std::lock_guard<std::mutex> lock(users_mutex_);
  if (--users_ == 0) StopAll();
}

absl::Status Workers::Start() {
  const auto self = workers_.emplace(workers_.end());
  try {
    self->thread = std::thread([this, self] { Main(self); });
  } catch (const std::system_error& error) {
    workers_.erase(self);
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start a worker thread: ", error.what()));
  }
  return absl::OkStatus();
}

void Workers::Grow() {
  if (growing_.exchange(true, std::memory_order_acq_rel)) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (needed_ && count() < limits_.threads && Start().ok()) return;
    growing_.store(false, std::memory_order_release);
    if (!needed_ || count() >= limits_.threads) return;
  }
  NoMore();
}

// Threads or endpoints are used up: the NIC must not count on more.
void Workers::NoMore() {
  lh_command_limits reached = limits_;
  reached.threads = std::max(count(), 1u);
  (void)endpoints_.ControlSurely(LH_COMMAND_LIMITS, reached);
}

void Workers::StopAll() {
  std::unique_lock<std::mutex> lock(mutex_);
  needed_ = false;
  for (const Worker& worker : workers_) {
    if (worker.endpoint == 0) continue;  // it will see `needed_`
    if (worker.gone) continue;           // it ends by itself
    lh_command_handle command;
    command.handle = worker.endpoint;
    (void)endpoints_.ControlSurely(LH_COMMAND_ENDPOINT_RETIRE, command);
  }
  changed_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return workers_.empty();
  });
  std::list<Worker> ended;
  ended.swap(ended_);
  lock.unlock();
  for (Worker& worker : ended) worker.thread.join();
}

void Workers::WaitForEnd() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return workers_.empty();
  });
}

bool Workers::HaveEnded() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return workers_.empty();
}

bool Workers::ReplaceMissing() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!AreMissing()) return false;
  // If that fails they are still missing.
  (void)Start();
  return true;
}

void Workers::Main(Iterator self) {
  pthread_setname_np(pthread_self(), "lh-worker");
  // Also if the handler ends the thread.
  bool sent_home = false;
  const absl::Cleanup end = [this, self, &sent_home] { End(self, sent_home); };
  const absl::StatusOr<Endpoint*> endpoint = endpoints_.ThisThread();
  if (Begin(self, endpoint)) {
    (*endpoint)->working = true;
    sent_home = Run(**endpoint);
  } else if (!endpoint.ok()) {
    NoMore();
  }
}

bool Workers::Begin(Iterator self, const absl::StatusOr<Endpoint*>& endpoint) {
  const std::lock_guard<std::mutex> lock(mutex_);
  growing_.store(false, std::memory_order_release);
  if (endpoint.ok()) {
    self->endpoint = (*endpoint)->handle();
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!begun_.has_value()) begun_ = endpoint.status();
  changed_.notify_all();
  return endpoint.ok() && needed_;
}

void Workers::End(Iterator self, bool sent_home) {
  const bool lost = endpoints_.connection().NoticeLoss();
  bool served;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    served = self->endpoint != 0;
    if (served) count_.fetch_sub(1, std::memory_order_relaxed);
    self->gone = true;
  }
  // There may be no other endpoint for the one that takes its place.
  endpoints_.GiveThisThreads();
  std::list<Worker> ended;
  bool missing;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended.swap(ended_);
    ended_.splice(ended_.end(), workers_, self);
    // The NIC is there, and did not send it home: it may have been the last
    // that there may be.
    if (served && !sent_home && !lost && needed_) (void)Start();
    missing = AreMissing();
    changed_.notify_all();
  }
  if (missing) endpoints_.connection().AskForRenewal();
  // Whoever ends joins who ended before.
  for (Worker& worker : ended) worker.thread.join();
}

bool Workers::Run(Endpoint& endpoint) {
  endpoint.PutEmpty();
  for (;;) {
    const std::uint32_t slot = endpoint.serve().in.position;
    lh_line* const line = endpoint.Get(endpoint.serve());
    if (line == nullptr) return false;
    const std::uint8_t kind = line->header.kind;
    if (kind == LH_KIND_CALL) {
      if ((line->header.flags & LH_FLAG_GROW) != 0) Grow();
      ArrivedCall call(endpoint, endpoints_, attachment_, slot, line);
      RunHandler(methods_, call);
    }
    lh_release(&endpoint.serve().in, line);
    if (kind == LH_KIND_RETIRE) return true;
  }
}

}  // namespace lauberhorn
