// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// What happens to the threads and CPUs of a simulated machine, by chance.

#include <algorithm>

#include "nic/testing/simulated_kernel.h"

namespace lauberhorn::nic::testing {

void SimulatedKernel::Disturb() {
  disturbed_ = true;
  Trouble();
}

void SimulatedKernel::Calm() { disturbed_ = false; }

void SimulatedKernel::Trouble() {
  if (!disturbed_) return;
  const std::uint32_t number = random().Below(options_.cpus);
  const std::uint32_t endpoint =
      random().Below(static_cast<std::uint32_t>(threads_.size()));
  Cpu& cpu = cpus_[number];
  Thread& thread = threads_[endpoint];
  switch (random().Below(7)) {
    case 0:
      Preempt(number);
      break;
    case 1:
      if (cpu.mode != LH_CPU_OFFLINE) {
        GiveAway(number, random().OneIn(2) ? LH_CPU_OTHER : LH_CPU_KERNEL,
                 kMillisecond);
      }
      break;
    case 2:
      if (cpu.mode == LH_CPU_OFFLINE || number == 0) break;
      // Who may run nowhere else may run anywhere.
      for (std::uint32_t at = 0; at < threads_.size(); ++at) {
        if (threads_[at].mask == 0 || !Allowed(threads_[at], number)) continue;
        threads_[at].mask = 0;
        SayWhereItMayRun(at);
      }
      GiveAway(number, LH_CPU_OFFLINE, 5 * kMillisecond);
      break;
    case 3:  // throttled, frozen, stopped
      if (thread.thread == nullptr || thread.held) break;
      thread.held = true;
      if (thread.state == kOnCpu) {
        thread.state = kRunnable;
        ++thread.change;
        runnable_.push_back(endpoint);
        Schedule(thread.cpu);
      }
      simulation_.At(now() + random().Time(20 * kMillisecond),
                     [this, endpoint, held = thread.number] {
                       Thread& free = threads_[endpoint];
                       if (free.number != held) return;
                       free.held = false;
                       if (free.state != kRunnable) return;
                       runnable_.erase(std::find(runnable_.begin(),
                                                 runnable_.end(), endpoint));
                       MakeRunnable(endpoint, free.cpu % options_.cpus);
                     });
      break;
    case 4:  // a signal
      if (thread.state == kAsleep) WakeUp(endpoint, thread.cpu);
      break;
    case 5:  // a page fault, a lock
      if (thread.state != kOnCpu || thread.parking) break;
      thread.state = kBlocked;
      ++thread.change;
      Schedule(thread.cpu);
      SetWord(endpoint, LH_ENDPOINT_BLOCKED);
      Later(kMillisecond, thread, [this, endpoint] {
        MakeRunnable(endpoint, threads_[endpoint].cpu);
      });
      break;
    default: {
      if (thread.thread == nullptr) break;
      const std::uint32_t mask = random().Below(options_.cpus + 1);
      if (mask != 0 &&
          cpus_[(mask - 1) % options_.cpus].mode == LH_CPU_OFFLINE) {
        break;
      }
      thread.mask = mask;
      if (thread.state == kOnCpu && !Allowed(thread, thread.cpu)) {
        const std::uint32_t left = thread.cpu;
        thread.state = kRunnable;
        ++thread.change;
        Schedule(left);
        MakeRunnable(endpoint, mask - 1);
      } else {
        SayWhereItMayRun(endpoint);
      }
    }
  }
  simulation_.At(now() + 1 + random().Time(kMillisecond),
                 [this] { Trouble(); });
}

}  // namespace lauberhorn::nic::testing
