// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/trace/replay.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace lauberhorn::trace {

Replay::Replay(unsigned cpus)
    : all_cpus_(cpus < 64 ? (std::uint64_t{1} << cpus) - 1 : ~std::uint64_t{0}),
      cpus_(cpus) {}

bool Replay::Check(bool right, std::string_view text) {
  if (right) return true;
  ++wrong_;
  if (findings_.size() < kMostFindings) {
    findings_.push_back({now_, std::string(text)});
  }
  return false;
}

unsigned Replay::event_kinds() const {
  unsigned kinds = 0;
  for (unsigned kind = LH_RECORD_NR_RUNNING; kind < LH_RECORD_MARK; ++kind) {
    kinds += seen_[kind] != 0;
  }
  return kinds;
}

void Replay::Add(const lh_record& record) {
  const bool in_order = record.seq > now_;
  now_ = record.seq;
  if (!Check(in_order && record.kind != LH_RECORD_NONE &&
                 record.kind < LH_RECORD_KINDS && record.cpu < cpus_.size(),
             "a record that no recorder made")) {
    return;
  }
  ++seen_[record.kind];
  switch (record.kind) {
    case LH_RECORD_CPU_WORD:
      AddCpuWord(record);
      break;
    case LH_RECORD_ENDPOINT_WORD:
      AddEndpointWord(record);
      break;
    case LH_RECORD_NR_RUNNING:
      AddQueueEvent(record);
      break;
    case LH_RECORD_SWITCH:
      if (AddQueueEvent(record)) AddEndpointSwitch(record);
      break;
    case LH_RECORD_WAKEUP:
    case LH_RECORD_WAKEUP_NEW:
      if ((record.bits & LH_RECORD_LOCKED) != 0) AddQueueEvent(record);
      AddEndpointWakeup(record);
      break;
    case LH_RECORD_CPU_UP:
    case LH_RECORD_CPU_DOWN:
      AddHotplug(record);
      break;
    case LH_RECORD_MARK:
      AddMark(record);
      break;
    default:
      AddLife(record);
  }
}

}  // namespace lauberhorn::trace
