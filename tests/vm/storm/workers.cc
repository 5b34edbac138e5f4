// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/storm/workers.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace lauberhorn::storm {
namespace {

constexpr unsigned kThreadsOfProcess = kThreads / kProcesses;
constexpr std::uint32_t kBredEndpoint = 500;
constexpr std::uint32_t kDuelEndpoint = 600;
constexpr unsigned kDuellists = 4;
constexpr unsigned kBred = 2;  // at a time
constexpr char kSelf[] = "/proc/self/exe";

// Runs of several threads: who ran long has had more than its share when it
// falls asleep, and stays in the queue for a while. If it wakes soon, it is
// there still.
void RunAndSleep(Random& random, std::uint64_t most_times) {
  for (std::uint64_t times = 1 + random.Below(most_times); times > 0; --times) {
    Spin(random.Below(120));
    switch (random.Below(8)) {
      case 0:
        sched_yield();
        break;
      case 1:
        break;
      case 2:
        Pause(random.Below(3000));
        break;
      default:
        Pause(random.Below(300));
    }
  }
}

// Among all threads; those of a process are not neighbours.
unsigned Place(unsigned slot) {
  return slot % kThreadsOfProcess * kProcesses + slot / kThreadsOfProcess;
}

void Work(const Devices& devices, Shared& shared, unsigned slot,
          Random random) {
  bool bound = false;
  shared.threads[slot] = gettid();
  while (!shared.over) {
    if (Place(slot) < shared.lively && !shared.calm) {
      RunAndSleep(random, 12);
    } else {
      Pause(random.Below(300000));
      RunAndSleep(random, 1);
    }
    if (bound) {
      bound = random.Below(3) != 0 || !devices.Unbind();
    } else if (random.Below(4) != 0) {
      // Now and then one that is taken, or that there is not.
      const bool own = random.Below(20) != 0;
      const auto endpoint = static_cast<std::uint32_t>(
          own ? slot : random.Below(2) * 100000 + random.Below(kThreads));
      bound = devices.Bind(endpoint, ++shared.generation);
    }
  }
  shared.threads[slot] = 0;
}

// Several of these on one CPU: all but the first weigh little, so a short run
// is more than their share. When they fall asleep the first one runs, and
// before it has caught up they wake.
void Duel(const Devices& devices, Shared& shared, unsigned duellist,
          Random random) {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  sched_setaffinity(0, sizeof(first), &first);
  setpriority(PRIO_PROCESS, 0, duellist == 0 ? 0 : 10);
  devices.Bind(kDuelEndpoint + duellist, ++shared.generation);
  while (!shared.over) {
    Spin(random.Below(duellist == 0 ? 1000 : 150));
    Pause(random.Below(60));
  }
}

[[noreturn]] void RunUntilKilled(Random& random) {
  for (;;) {
    RunAndSleep(random, 3);
    Pause(random.Below(5000));
  }
}

// Threads of a process that ends with them, or without.
void LiveShortly(const Devices& devices, Shared& shared, std::uint32_t endpoint,
                 Random random) {
  if (random.Below(4) != 0) devices.Bind(endpoint, ++shared.generation);
  const std::uint64_t more = random.Below(2);
  for (std::uint64_t thread = 0; thread < more; ++thread) {
    std::thread([&devices, &shared, endpoint, random]() mutable {
      devices.Bind(endpoint + 1, ++shared.generation);
      RunUntilKilled(random);
    }).detach();
  }
  if (random.Below(2) == 0) RunAndSleep(random, 12);
  switch (random.Below(4)) {
    case 0:
      return;
    case 1:
    case 2:
      execl(kSelf, kSelf, kEndAtOnce, nullptr);
      _exit(1);
    default:
      RunUntilKilled(random);
  }
}

}  // namespace

void RunWorkers(const Devices& devices, Shared& shared, unsigned process,
                std::uint64_t seed) {
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < kThreadsOfProcess; ++thread) {
    const unsigned slot = process * kThreadsOfProcess + thread;
    threads.emplace_back(Work, std::cref(devices), std::ref(shared), slot,
                         Random(seed, slot));
  }
  for (unsigned duellist = 0; process == 0 && duellist < kDuellists;
       ++duellist) {
    threads.emplace_back(Duel, std::cref(devices), std::ref(shared), duellist,
                         Random(seed, kDuelEndpoint + duellist));
  }
  for (std::thread& thread : threads) thread.join();
}

void Breed(const Devices& devices, Shared& shared, std::uint64_t seed) {
  Random random(seed, kBredEndpoint);
  for (std::uint64_t born = 0; !shared.over; ++born) {
    std::vector<pid_t> children;
    for (unsigned child = 0; child < kBred; ++child) {
      const pid_t pid = fork();
      if (pid < 0) Die("fork");
      if (pid == 0) {
        LiveShortly(devices, shared, kBredEndpoint + 2 * child,
                    Random(seed, 1000 + born * kBred + child));
        _exit(0);
      }
      children.push_back(pid);
    }
    Pause(2000 + random.Below(30000));
    for (const pid_t child : children) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
}

}  // namespace lauberhorn::storm
