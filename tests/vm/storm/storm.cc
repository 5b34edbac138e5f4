// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Does to the scheduler, in a guest of tests/vm/run, everything that a
// published word depends on, until enough of it was recorded:
//
//   storm RECORDING [--seed N] [--words N] [--delayed N] [--capacity N]
//         [--seconds N] [--fault NAME]
//   storm --unrecorded [--seed N] [--seconds N]
//
// Threads of several processes run for moments and sleep for moments, which
// delays dequeues, bound to endpoints and not; one process has a limit of its
// cgroup; children fork, bind, exec, end, and are killed; a real-time thread
// preempts; others move threads between CPUs, policies and priorities; a CPU
// goes and comes. With
// --fault the kernel tells that lie meanwhile (debugfs: lauberhorn/faults).
// --unrecorded is for who only wants the weather: it takes all of its time.
//
// `storm --masks` prints what the recorder wants to know of the probe's memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "tests/vm/storm/devices.h"
#include "tests/vm/storm/disturbers.h"
#include "tests/vm/storm/shared.h"
#include "tests/vm/storm/workers.h"

namespace lauberhorn::storm {
namespace {

constexpr char kUnrecorded[] = "--unrecorded";
constexpr char kFaults[] = "/sys/kernel/debug/lauberhorn/faults";
constexpr char kCgroups[] = "/sys/fs/cgroup";
// A binding that outlives an exec shows only after one.
constexpr unsigned kBoundExecs = 3;

struct Options {
  std::string recording;  // empty: none
  std::string fault;
  std::uint64_t seed = std::random_device{}();
  unsigned words = 110000;
  unsigned delayed = 1200;     // wake-ups
  unsigned capacity = 200000;  // of the recorder
  unsigned seconds = 600;
};

Options Parse(const std::vector<std::string>& words) {
  Options options;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& name = words[at];
    if (name == kUnrecorded) continue;
    if (name.rfind("--", 0) != 0) {
      options.recording = name;
      continue;
    }
    if (++at == words.size()) Die(name);
    const std::string& value = words[at];
    const auto number = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "--fault") {
      options.fault = value;
    } else if (name == "--seed") {
      options.seed = number;
    } else if (name == "--words") {
      options.words = static_cast<unsigned>(number);
    } else if (name == "--delayed") {
      options.delayed = static_cast<unsigned>(number);
    } else if (name == "--capacity") {
      options.capacity = static_cast<unsigned>(number);
    } else if (name == "--seconds") {
      options.seconds = static_cast<unsigned>(number);
    } else {
      Die(name);
    }
  }
  const bool unrecorded =
      std::find(words.begin(), words.end(), kUnrecorded) != words.end();
  if (options.recording.empty() != unrecorded) {
    Die("either a file for the recording, or --unrecorded");
  }
  return options;
}

Shared& MakeShared() {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die("shared memory");
  return *new (memory) Shared;
}

pid_t Start(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    body();
    _exit(0);
  }
  return child;
}

// A quarter of one CPU, in pieces that end before its threads do. Not shorter:
// a kernel that is three periods late says so under a lock of the scheduler,
// lockdep does not like that, and says so under the console's lock, which it
// then needs itself.
void LimitCgroup(pid_t process) {
  const std::string group = std::string(kCgroups) + "/storm";
  if ((mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) ||
      !WriteFile(std::string(kCgroups) + "/cgroup.subtree_control", "+cpu") ||
      !WriteFile(group + "/cpu.max", "30000 120000") ||
      !WriteFile(group + "/cgroup.procs", std::to_string(process))) {
    Die("a cgroup with a limit");
  }
}

// Whether it was enough.
bool Wait(const Options& options, Shared& shared) {
  // By the clock: a pause takes as long as the storm lets it.
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  while (std::chrono::steady_clock::now() < end) {
    Pause(100000);
    if (options.recording.empty()) continue;
    const Devices::Progress progress = Devices::ReadProgress();
    if (progress.words >= options.words &&
        progress.delayed >= options.delayed &&
        shared.bound_execs >= kBoundExecs) {
      return true;
    }
    shared.calm = progress.words >= options.words;
    // What is under way needs room too.
    if (progress.records >= options.capacity / 10 * 9) return false;
  }
  return false;
}

int Run(const Options& options) {
  std::printf("storm: --seed %llu%s%s\n",
              static_cast<unsigned long long>(options.seed),
              options.fault.empty() ? "" : " --fault ", options.fault.c_str());
  std::fflush(stdout);
  Shared& shared = MakeShared();
  const Devices devices(!options.recording.empty());
  if (!options.fault.empty() && !WriteFile(kFaults, options.fault)) {
    Die("the fault " + options.fault);
  }
  std::vector<pid_t> children;
  for (unsigned process = 0; process < kProcesses; ++process) {
    children.push_back(
        Start([&] { RunWorkers(devices, shared, process, options.seed); }));
  }
  LimitCgroup(children.back());
  children.push_back(Start([&] { Breed(devices, shared, options.seed); }));
  children.push_back(Start([&] { Disturb(devices, shared, options.seed); }));
  const bool enough = Wait(options, shared);
  shared.over = true;
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) {
      std::fprintf(stderr, "storm: a process ended with %d\n", status);
      failed = 1;
    }
  }
  const bool recorded = !options.recording.empty();
  const Devices::Progress progress =
      recorded ? Devices::ReadProgress() : Devices::Progress{};
  if (recorded) Devices::Save(options.recording);
  if (!options.fault.empty() && !WriteFile(kFaults, "none")) Die("no fault");
  if (!recorded) return failed;
  std::printf(
      "storm: %u words, %u delayed wake-ups, %u bound threads that "
      "became another program, %u records on a CPU%s\n",
      progress.words, progress.delayed, shared.bound_execs.load(),
      progress.records, enough ? "" : ", which is not what was asked for");
  return failed;
}

}  // namespace
}  // namespace lauberhorn::storm

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == lauberhorn::storm::kEndAtOnce) return 0;
  if (words.size() == 1 && words[0] == "--masks") {
    std::printf("%llu\n", static_cast<unsigned long long>(
                              lauberhorn::storm::MasksOffset()));
    return 0;
  }
  return lauberhorn::storm::Run(lauberhorn::storm::Parse(words));
}
