// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/storm/disturbers.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>

namespace lauberhorn::storm {
namespace {

// Parts of the seed that no other part of the storm has.
enum : std::uint64_t { kMoves = 100, kPolicies, kPreempts, kHotplug, kWeather };

unsigned Cpus() { return static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF)); }

pid_t AnyThread(const Shared& shared, Random& random) {
  return shared.threads[random.Below(kThreads)];
}

// A thread that has just ended is not there any more, and a CPU may have gone:
// what is refused is refused.
void Move(Shared& shared, Random random) {
  while (!shared.over) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    const unsigned only = static_cast<unsigned>(random.Below(Cpus() + 1));
    for (unsigned cpu = 0; cpu < Cpus(); ++cpu) {
      if (only == Cpus() || cpu == only) CPU_SET(cpu, &cpus);
    }
    if (const pid_t thread = AnyThread(shared, random)) {
      sched_setaffinity(thread, sizeof(cpus), &cpus);
    }
    Pause(random.Below(5000));
  }
}

// Queues are short and long in turns.
void ChangeTheWeather(Shared& shared, Random random) {
  while (!shared.over) {
    shared.lively = 1u << random.Below(4);
    Pause(20000 + random.Below(200000));
  }
}

void ChangePolicies(Shared& shared, Random random) {
  while (!shared.over) {
    const pid_t thread = AnyThread(shared, random);
    sched_param parameter = {};
    int policy = SCHED_OTHER;
    switch (random.Below(8)) {
      case 0:
        policy = SCHED_IDLE;
        break;
      case 1:
        policy = SCHED_BATCH;
        break;
      case 2:
        policy = random.Below(2) == 0 ? SCHED_FIFO : SCHED_RR;
        parameter.sched_priority = 1 + static_cast<int>(random.Below(3));
        break;
      default:
        break;
    }
    if (thread != 0) {
      sched_setscheduler(thread, policy, &parameter);
      setpriority(PRIO_PROCESS, static_cast<id_t>(thread),
                  static_cast<int>(random.Below(20)) - 10);
    }
    Pause(random.Below(5000));
  }
}

void Preempt(Shared& shared, Random random) {
  sched_param parameter = {};
  parameter.sched_priority = 10;
  if (sched_setscheduler(0, SCHED_FIFO, &parameter) != 0) Die("SCHED_FIFO");
  while (!shared.over) {
    Pause(200 + random.Below(1000));
    Spin(random.Below(50));
  }
}

void Allow(unsigned first, unsigned last) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (unsigned cpu = first; cpu <= last; ++cpu) CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Die("an affinity");
}

// Linux 6.12.117 stops the fair server of a CPU that goes even if it does not
// run, and may warn then (linux-patches/README.md). This storm is not about
// that: a server without runtime is not stopped. It runs while its CPU has a
// thread, which is this one: so it may be told.
void StopFairServer(unsigned cpu) {
  Allow(cpu, cpu);
  if (!WriteFile("/sys/kernel/debug/sched/fair_server/cpu" +
                     std::to_string(cpu) + "/runtime",
                 "0")) {
    Die("the fair server's runtime");
  }
  Allow(0, cpu);
}

void TakeCpuAway(const Devices& devices, Shared& shared, Random random) {
  const unsigned cpu = Cpus() - 1;
  const std::string path =
      "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/online";
  StopFairServer(cpu);
  while (!shared.over) {
    devices.MarkHotplug(LH_MARK_HOTPLUG, cpu, false);
    const bool gone = WriteFile(path, "0");
    devices.MarkHotplug(LH_MARK_HOTPLUGGED, cpu, !gone);
    Pause(random.Below(30000));
    devices.MarkHotplug(LH_MARK_HOTPLUG, cpu, true);
    if (gone && !WriteFile(path, "1")) Die(path);
    devices.MarkHotplug(LH_MARK_HOTPLUGGED, cpu, true);
    Pause(50000 + random.Below(300000));
  }
}

}  // namespace

void Disturb(const Devices& devices, Shared& shared, std::uint64_t seed) {
  std::thread move(Move, std::ref(shared), Random(seed, kMoves));
  std::thread policies(ChangePolicies, std::ref(shared),
                       Random(seed, kPolicies));
  std::thread preempt(Preempt, std::ref(shared), Random(seed, kPreempts));
  std::thread weather(ChangeTheWeather, std::ref(shared),
                      Random(seed, kWeather));
  TakeCpuAway(devices, shared, Random(seed, kHotplug));
  weather.join();
  preempt.join();
  policies.join();
  move.join();
}

}  // namespace lauberhorn::storm
