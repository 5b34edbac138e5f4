// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/shown.h"

#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "abi/host/device.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::serve {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

bool ThreadShown::InPark() const {
  return call == SYS_ioctl && second == LH_DEVICE_PARK;
}

bool ThreadShown::Parked() const {
  return InPark() && state == 'S' && absl::StartsWith(sleeps, "lh_park");
}

ThreadShown ShowThread(pid_t process, pid_t thread) {
  const std::string folder = absl::StrCat("/proc/", process, "/task/", thread);
  ThreadShown shown = {};
  const std::string stat = FirstLine(folder + "/stat");
  // After its name, which may contain anything but this.
  const std::size_t name = stat.rfind(") ");
  if (name != stat.npos) shown.state = stat[name + 2];
  shown.sleeps = FirstLine(folder + "/wchan");
  std::istringstream call(FirstLine(folder + "/syscall"));
  std::uint64_t first = 0;
  if (!(call >> shown.call >> std::hex >> first >> shown.second)) {
    shown.call = -1;
  }
  return shown;
}

std::vector<pid_t> WorkersOf(pid_t process) {
  std::vector<pid_t> workers;
  const std::string tasks = absl::StrCat("/proc/", process, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    if (FirstLine(task.path() / "comm") != "lh-worker") continue;
    workers.push_back(std::stoi(task.path().filename()));
  }
  return workers;
}

std::optional<AttachmentShown> ShowAttachment(pid_t process) {
  std::ifstream file("/sys/kernel/debug/lauberhorn0/attachments");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    AttachmentShown shown;
    pid_t pid = 0;
    words >> shown.place >> shown.generation >> pid;
    if (pid == process) return shown;
  }
  return std::nullopt;
}

int CountParts() {
  std::ifstream file("/proc/vmallocinfo");
  int parts = 0;
  for (std::string line; std::getline(file, line);) {
    parts += absl::StrContains(line, "lh_memory_make") ? 1 : 0;
  }
  return parts;
}

}  // namespace lauberhorn::serve
