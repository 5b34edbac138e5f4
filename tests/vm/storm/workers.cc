// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/storm/workers.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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
// Microseconds that a child lives at most.
constexpr std::uint64_t kPatience = 30000;
constexpr std::uint64_t kMostPatience = 3000000;
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

// Threads of a process that ends with them, or without. If it is bound and
// becomes another program, it writes into `exec` before, which closes then.
void LiveShortly(const Devices& devices, Shared& shared, std::uint32_t endpoint,
                 int exec, Random random) {
  const bool bound =
      random.Below(4) != 0 && devices.Bind(endpoint, ++shared.generation);
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
      if (bound && write(exec, "", 1) != 1) _exit(1);
      execl(kSelf, kSelf, kEndAtOnce, nullptr);
      _exit(1);
    default:
      RunUntilKilled(random);
  }
}

struct Child {
  pid_t pid;
  int exec;  // a pipe that does not block
};

Child Bear(const Devices& devices, Shared& shared, std::uint32_t endpoint,
           Random random) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) Die("pipe2");
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    LiveShortly(devices, shared, endpoint, ends[1], random);
    _exit(0);
  }
  close(ends[1]);
  return {pid, ends[0]};
}

// Whether it was bound and is another program now, or was one.
bool Executed(const Child& child) {
  char byte;
  return read(child.exec, &byte, 1) == 1 && read(child.exec, &byte, 1) == 0;
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
  std::uint64_t patience = kPatience;
  for (std::uint64_t born = 0; !shared.over; ++born) {
    std::vector<Child> children;
    for (unsigned child = 0; child < kBred; ++child) {
      children.push_back(Bear(devices, shared, kBredEndpoint + 2 * child,
                              Random(seed, 1000 + born * kBred + child)));
    }
    Pause(2000 + random.Below(patience));
    const unsigned before = shared.bound_execs;
    for (const Child& child : children) {
      if (Executed(child)) ++shared.bound_execs;
      kill(child.pid, SIGKILL);
      waitpid(child.pid, nullptr, 0);
      close(child.exec);
    }
    // On a slow machine it takes long until a child is another program.
    patience = shared.bound_execs != before
                   ? kPatience
                   : std::min(patience * 5 / 4, kMostPatience);
  }
}

}  // namespace lauberhorn::storm
