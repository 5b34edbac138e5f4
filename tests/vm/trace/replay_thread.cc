// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The lives of threads, and what they say that they ask for.
#include <cstdint>

#include "tests/vm/trace/replay.h"

namespace lauberhorn::trace {

void Replay::AddMark(const lh_record& record) {
  const auto what = static_cast<std::uint32_t>(record.a);
  const auto argument = static_cast<std::uint32_t>(record.a >> 32);
  Thread& thread = threads_[record.task[0].pid];
  Check(!thread.ending, "a thread goes on whose endpoint is DEAD");
  switch (what) {
    case LH_MARK_BIND:
      thread.asked = Bind{argument, record.b};
      break;
    case LH_MARK_BOUND:
      Check(!thread.asked || (argument == 0) == (thread.endpoint ==
                                                 thread.asked->endpoint + 1),
            "a thread was bound, or not, and no word says so");
      thread.asked.reset();
      break;
    case LH_MARK_UNBIND:
      thread.unbinding = true;
      break;
    case LH_MARK_UNBOUND:
      Check(argument != 0 || thread.endpoint == 0,
            "a binding ended, and the endpoint's word does not say so");
      thread.unbinding = false;
      break;
    case LH_MARK_HOTPLUG:
    case LH_MARK_HOTPLUGGED: {
      if (!Check(argument < cpus_.size(), "a mark of no CPU")) return;
      Cpu& cpu = cpus_[argument];
      if (what == LH_MARK_HOTPLUG) {
        cpu.hotplug = record.b == 0 ? Hotplug::kGoes : Hotplug::kComes;
        break;
      }
      cpu.hotplug = Hotplug::kNone;
      Check(cpu.exported == (record.b != 0),
            "a CPU came or went, and its word does not say so");
      break;
    }
    default:
      Check(false, "an unknown mark");
  }
}

void Replay::AddLife(const lh_record& record) {
  const lh_record_task& task = record.task[0];
  const auto thread = threads_.find(task.pid);
  if (record.kind == LH_RECORD_MIGRATE) return;
  if (record.kind == LH_RECORD_FORK) {
    Check(task.endpoint == 0, "a new thread is bound");
  } else if (thread != threads_.end()) {
    if (!Check(thread->second.endpoint == 0,
               "a thread ended, and its endpoint's word does not say so")) {
      endpoints_[thread->second.endpoint - 1].pid = 0;
    }
  }
  if (thread != threads_.end()) threads_.erase(thread);
}

}  // namespace lauberhorn::trace
