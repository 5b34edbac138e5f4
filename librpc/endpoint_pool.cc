// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/endpoint_pool.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn {

// What a thread holds: nearly always of one pool.
struct EndpointPool::ThreadEntry {
  EndpointPool* key;  // compared only
  std::weak_ptr<EndpointPool> pool;
  Endpoint* endpoint;
};

struct EndpointPool::ThreadEntries {
  ~ThreadEntries() {
    ended = true;
    for (const ThreadEntry& entry : list) {
      if (const auto pool = entry.pool.lock()) pool->Give(entry.endpoint);
    }
  }
  std::vector<ThreadEntry> list;

  // Outlives the list: objects of static storage, and other thread-locals, may
  // still make commands when the thread's list is gone.
  static thread_local bool ended;
};

thread_local bool EndpointPool::ThreadEntries::ended = false;

EndpointPool::ThreadEntries& EndpointPool::OfThisThread() {
  thread_local ThreadEntries entries;
  return entries;
}

EndpointPool::EndpointPool(Connection& connection, Device& device,
                           absl::Duration spin)
    : connection_(connection),
      device_(device),
      spin_(spin),
      process_(getpid()),
      kept_(device, Layout(device.Attach().process->control_endpoint), spin) {}

absl::Status EndpointPool::ControlBytesSurely(
    lh_command number, absl::Span<const std::uint8_t> payload,
    absl::Span<std::uint8_t>* answer) {
  const absl::StatusOr<Endpoint*> mine = ThisThread();
  if (mine.ok() && !(*mine)->IsQuarantined()) {
    return (*mine)->Control(number, payload, answer).status();
  }
  const std::lock_guard<std::mutex> lock(kept_mutex_);
  return kept_.Control(number, payload, answer).status();
}

absl::StatusOr<ServerAddress> EndpointPool::PeerOf(std::uint64_t call) {
  const lh_command_handle command = {call};
  std::uint8_t room[sizeof(lh_address) + LH_SOCKET_NAME_MAX];
  absl::Span<std::uint8_t> answer(room);
  absl::Status status = ControlBytesSurely(
      LH_COMMAND_CALL_PEER,
      {reinterpret_cast<const std::uint8_t*>(&command), sizeof(command)},
      &answer);
  if (!status.ok()) return status;
  ServerAddress address;
  if (answer.size() < sizeof(address.ip)) {
    return absl::InternalError("the NIC's result breaks the contract");
  }
  std::memcpy(&address.ip, room, sizeof(address.ip));
  answer.remove_prefix(sizeof(address.ip));
  address.socket.assign(answer.begin(), answer.end());
  return address;
}

void EndpointPool::Cancel(std::uint64_t call) {
  const absl::StatusOr<Endpoint*> mine = ThisThread();
  if (mine.ok() && !(*mine)->IsQuarantined()) {
    return (*mine)->PutCancel(call);
  }
  const std::lock_guard<std::mutex> lock(kept_mutex_);
  kept_.PutCancel(call);
}

Endpoint* EndpointPool::FindThisThread(const EndpointPool* pool) {
  if (ThreadEntries::ended) return nullptr;
  for (const ThreadEntry& entry : OfThisThread().list) {
    // A pool that is gone may have left its address to this one.
    if (entry.key == pool && !entry.pool.expired()) return entry.endpoint;
  }
  return nullptr;
}

absl::StatusOr<Endpoint*> EndpointPool::ThisThread() {
  if (Endpoint* const mine = FindThisThread()) return mine;
  if (ThreadEntries::ended) {
    return absl::FailedPreconditionError("this thread is about to end");
  }
  // First: a thread may be bound to one device only.
  GiveThisThreadsLost();
  absl::StatusOr<Endpoint*> endpoint = Take();
  if (!endpoint.ok()) return endpoint;
  OfThisThread().list.push_back({this, weak_from_this(), *endpoint});
  (*endpoint)->Bind();
  return endpoint;
}

void EndpointPool::GiveThisThreads() {
  Endpoint* const mine = FindThisThread();
  if (mine == nullptr) return;
  std::vector<ThreadEntry>& entries = OfThisThread().list;
  entries.erase(std::find_if(
      entries.begin(), entries.end(),
      [mine](const ThreadEntry& entry) { return entry.endpoint == mine; }));
  Give(mine);
}

void EndpointPool::GiveThisThreadsLost() {
  std::vector<ThreadEntry>& entries = OfThisThread().list;
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [](const ThreadEntry& entry) {
                                 const auto pool = entry.pool.lock();
                                 return pool == nullptr ||
                                        pool->GiveIfLost(entry.endpoint);
                               }),
                entries.end());
}

bool EndpointPool::GiveIfLost(Endpoint* endpoint) {
  // The parent's, whose other threads may have had the mutex at the fork.
  if (getpid() != process_) return true;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return true;
  if (!device_.Attach().IsLost()) return false;
  if (endpoint->calling || endpoint->working) return false;
  GiveLocked(endpoint);
  return true;
}

absl::StatusOr<Endpoint*> EndpointPool::Take() {
  Endpoint* used = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return NicIsLost();
    const lh_process_layout& process = *device_.Attach().process;
    if (!given_back_.empty()) {
      used = given_back_.back();
      given_back_.pop_back();
      ++in_use_;
    } else if (opened_ < process.endpoint_count) {
      ++in_use_;
      endpoints_.push_back(
          std::make_unique<Endpoint>(device_, Layout(opened_++), spin_));
      return endpoints_.back().get();
    } else {
      return absl::ResourceExhaustedError(
          absl::StrCat("all ", process.endpoint_count,
                       " endpoints are in use; raise "
                       "RuntimeOptions::endpoints or use fewer threads"));
    }
  }
  const absl::Status reopened = used->Reopen();
  // Nothing will come there if the NIC is lost, so it need not be open.
  if (reopened.ok() || device_.Attach().IsLost()) return used;
  const std::lock_guard<std::mutex> lock(mutex_);
  --in_use_;
  // For whoever comes next.
  if (!used->IsQuarantined()) given_back_.push_back(used);
  return reopened;
}

void EndpointPool::Give(Endpoint* endpoint) {
  // As above.
  if (getpid() != process_) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!closed_) GiveLocked(endpoint);
}

void EndpointPool::GiveLocked(Endpoint* endpoint) {
  endpoint->Close();
  --in_use_;
  // One that the NIC does not serve is of no use to anybody.
  if (!endpoint->IsQuarantined()) given_back_.push_back(endpoint);
}

void EndpointPool::CloseForever() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
}

bool EndpointPool::CloseIfUnused() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (in_use_ != 0) return false;
  closed_ = true;
  return true;
}

}  // namespace lauberhorn
