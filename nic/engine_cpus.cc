// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// What an engine does when it is told of its threads and CPUs:
// nic/processors.h.

#include "nic/engine.h"

namespace lauberhorn::nic {
namespace {

constexpr std::uint32_t Channel(std::uint32_t endpoint, Which which) {
  return 2 * endpoint + static_cast<std::uint32_t>(which);
}

}  // namespace

void Engine::BeginEvent(Nanos now) {
  now_ = now;
  event_ = true;
  counters_.trace.set_now(now);
  dispatcher_.set_now(now);
}

void Engine::OnCame(std::uint32_t endpoint, Nanos now) {
  endpoint -= attachment_.first;
  BeginEvent(now);
  dispatcher_.OnCame(endpoint);
  channels_.Watch(Channel(endpoint, Which::kServe), now);
}

void Engine::OnLeft(std::uint32_t endpoint, Nanos now) {
  endpoint -= attachment_.first;
  const std::uint32_t serve = Channel(endpoint, Which::kServe);
  const std::uint32_t call = Channel(endpoint, Which::kCall);
  BeginEvent(now);
  CollectLeft(serve);
  CollectLeft(call);
  dispatcher_.OnLeft(endpoint);
  if (cpus_->IsOnCpu(endpoint) || cpus_->IsDead(endpoint)) return;
  channels_.WatchNoMore(serve);
  channels_.WatchNoMore(call);
  // What is not taken back is there for its thread, which may have gone to
  // sleep.
  if (channels_.NewestWaits(call) ||
      (channels_.NewestWaits(serve) && !dispatcher_.IsWaking(endpoint))) {
    cpus_->Wake(endpoint);
  }
}

void Engine::OnRefused(std::uint32_t endpoint, Nanos now) {
  BeginEvent(now);
  dispatcher_.OnRefused(endpoint - attachment_.first);
}

}  // namespace lauberhorn::nic
