// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/thread_usage.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::bench {
namespace {

// False if the thread has ended.
bool Sample(const std::string& folder, ThreadUsage* thread) {
  std::ifstream comm(folder + "/comm");
  std::ifstream schedstat(folder + "/schedstat");
  if (!std::getline(comm, thread->name) ||
      !(schedstat >> thread->usage.cpu_ns)) {
    return false;
  }
  std::ifstream status(folder + "/status");
  for (std::string word; status >> word;) {
    if (word == "voluntary_ctxt_switches:") {
      return static_cast<bool>(status >> thread->usage.wakeups);
    }
  }
  return false;
}

std::string WithoutNumber(const std::string& name) {
  const std::size_t end = name.find_last_not_of("0123456789");
  if (end == std::string::npos) return name;
  return name.substr(0, name[end] == '-' || name[end] == ':' ? end : end + 1);
}

}  // namespace

ThreadUsages SampleThreads(pid_t process) {
  ThreadUsages threads;
  std::error_code error;
  std::filesystem::directory_iterator tasks(
      absl::StrCat("/proc/", process, "/task"), error);
  const std::filesystem::directory_iterator end;
  for (; !error && tasks != end; tasks.increment(error)) {
    pid_t number;
    ThreadUsage thread;
    if (absl::SimpleAtoi(tasks->path().filename().string(), &number) &&
        Sample(tasks->path().string(), &thread)) {
      threads.emplace(number, thread);
    }
  }
  return threads;
}

std::map<std::string, Usage> UsageBetween(const ThreadUsages& before,
                                          const ThreadUsages& after) {
  std::map<std::string, Usage> used;
  for (const auto& [number, thread] : after) {
    Usage usage = thread.usage;
    if (const auto was = before.find(number); was != before.end()) {
      usage.cpu_ns -= was->second.usage.cpu_ns;
      usage.wakeups -= was->second.usage.wakeups;
    }
    used[WithoutNumber(thread.name)] += usage;
  }
  return used;
}

}  // namespace lauberhorn::bench
