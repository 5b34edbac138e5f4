// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/engine_set.h"

#include <algorithm>

namespace lauberhorn::nic {

EngineSet::EngineSet(Processors* processors, std::uint32_t processes)
    : processors_(processors),
      engines_(processes, nullptr),
      marked_(processes, false),
      timers_(processes) {
  // Those of this turn, and those of the next.
  marks_.reserve(std::size_t{2} * processes);
}

void EngineSet::Add(std::uint32_t process, Engine& engine) {
  engines_[process] = &engine;
  Mark(process);
}

void EngineSet::Remove(std::uint32_t process) {
  engines_[process] = nullptr;
  timers_.Clear(process);
}

void EngineSet::Mark(std::uint32_t process) {
  if (marked_[process]) return;
  marked_[process] = true;
  marks_.push_back(process);
}

void EngineSet::MarkAll() {
  for (std::uint32_t process = 0; process < engines_.size(); ++process) {
    if (engines_[process] != nullptr) Mark(process);
  }
}

void EngineSet::LookAtProcessors(Nanos now) {
  processors_->Look(now);
  for (const std::uint32_t process : processors_->told()) Mark(process);
  for (std::uint32_t cpu = 0; cpu < processors_->cpus(); ++cpu) {
    const std::uint32_t process = processors_->ProcessOn(cpu);
    if (process != Processors::kNone) Mark(process);
  }
}

Nanos EngineSet::Turn(Nanos now) {
  if (processors_ != nullptr) LookAtProcessors(now);
  std::uint32_t due;
  while (timers_.PopDue(now, &due)) Mark(due);
  if (++rotation_ >= engines_.size()) rotation_ = 0;
  Mark(rotation_);
  // Whoever is marked from now on is polled in the next turn.
  const std::size_t count = marks_.size();
  for (std::size_t at = 0; at < count; ++at) Poll(marks_[at], now);
  marks_.erase(marks_.begin(),
               marks_.begin() + static_cast<std::ptrdiff_t>(count));
  if (processors_ != nullptr) processors_->Flush(now);
  if (!marks_.empty()) return now;
  return processors_ == nullptr
             ? timers_.Next()
             : std::min(timers_.Next(), processors_->Next(now));
}

void EngineSet::Poll(std::uint32_t process, Nanos now) {
  marked_[process] = false;
  if (engines_[process] == nullptr) return;
  ++polls_;
  const Nanos next = engines_[process]->Poll(now);
  if (next <= now) {
    Mark(process);
  } else if (next == kNever) {
    timers_.Clear(process);
  } else {
    timers_.Set(process, next);
  }
}

bool EngineSet::TryToSleep() {
  for (std::uint32_t process = 0; process < engines_.size(); ++process) {
    if (engines_[process] == nullptr || engines_[process]->TryToSleep()) {
      continue;
    }
    Mark(process);
    while (process-- > 0) {
      if (engines_[process] != nullptr) engines_[process]->Awake();
    }
    return false;
  }
  // What the kernel says it says to nobody who sleeps.
  if (processors_ == nullptr ||
      (!processors_->HasNews() && !processors_->HasAnswers())) {
    return true;
  }
  Awake();
  return false;
}

void EngineSet::Awake() {
  for (Engine* const engine : engines_) {
    if (engine != nullptr) engine->Awake();
  }
}

}  // namespace lauberhorn::nic
