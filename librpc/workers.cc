// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/workers.h"

#include <pthread.h>

#include <exception>
#include <latch>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "librpc/arrived_call.h"

namespace lauberhorn {
namespace {

// Says that this thread will take one call.
void PutEmpty(Endpoint& endpoint) {
  lh_line* const line = PutBegin(endpoint.serve().out);
  lh_message& header = line->header;
  header.call = header.code = header.data = header.deadline = 0;
  header.length = 0;
  header.kind = LH_KIND_EMPTY;
  header.flags = 0;
  header.aux = 1;
  endpoint.Put(endpoint.serve(), line);
}

void RunHandler(const MethodRows& methods, ArrivedCall& call) {
  const MethodRows::Row* const row =
      methods.Find(call.method_index(), call.code());
  if (row == nullptr) {
    return call.Fail(absl::StatusCode::kInternal,
                     "the NIC named a method that this process has not");
  }
  try {
    row->thunk(row->service, call);
  } catch (const std::exception& error) {
    if (!call.answered()) {
      call.Fail(absl::StatusCode::kUnknown,
                absl::StrCat("the handler threw: ", error.what()));
    }
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
                 const Attachment& attachment, std::uint32_t count)
    : endpoints_(endpoints),
      methods_(methods),
      attachment_(attachment),
      count_(count) {}

absl::Status Workers::Acquire() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (users_ == 0) {
    absl::Status status = StartAll();
    if (!status.ok()) {
      StopAll();
      return status;
    }
  }
  ++users_;
  return absl::OkStatus();
}

void Workers::Release() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--users_ == 0) StopAll();
}

absl::Status Workers::StartAll() {
  for (std::uint32_t index = 0; index < count_; ++index) {
    // The worker takes its endpoint itself: it is its thread's.
    std::latch ready(1);
    absl::StatusOr<Endpoint*> endpoint = absl::UnknownError("");
    Worker worker;
    try {
      worker.thread = std::thread([this, index, &ready, &endpoint] {
        pthread_setname_np(pthread_self(),
                           absl::StrCat("lh-worker-", index).c_str());
        endpoint = endpoints_.ThisThread();
        const absl::StatusOr<Endpoint*> mine = endpoint;
        ready.count_down();
        if (mine.ok()) Run(**mine);
      });
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot start a worker thread: ", error.what()));
    }
    ready.wait();
    if (!endpoint.ok()) {
      worker.thread.join();
      return endpoint.status();
    }
    worker.endpoint = (*endpoint)->handle();
    workers_.push_back(std::move(worker));
  }
  return absl::OkStatus();
}

void Workers::StopAll() {
  for (const Worker& worker : workers_) {
    lh_command_handle command;
    command.handle = worker.endpoint;
    (void)endpoints_.ControlSurely(LH_COMMAND_ENDPOINT_RETIRE, command);
  }
  for (Worker& worker : workers_) worker.thread.join();
  workers_.clear();
}

void Workers::Run(Endpoint& endpoint) const {
  PutEmpty(endpoint);
  for (;;) {
    const std::uint32_t slot = endpoint.serve().in.position;
    lh_line* const line = endpoint.Get(endpoint.serve());
    if (line == nullptr) return;
    const std::uint8_t kind = line->header.kind;
    if (kind == LH_KIND_CALL) {
      ArrivedCall call(endpoint, attachment_, slot, line);
      RunHandler(methods_, call);
    }
    lh_release(&endpoint.serve().in, line);
    if (kind == LH_KIND_RETIRE) return;
  }
}

}  // namespace lauberhorn
