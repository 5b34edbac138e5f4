// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/storm/devices.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "linux-patches/lauberhorn_probe.h"

namespace lauberhorn::storm {
namespace {

constexpr char kProbe[] = "/dev/lauberhorn-probe";
constexpr char kRecorder[] = "/dev/lh-recorder";
constexpr char kProgress[] = "/sys/module/lh_recorder/parameters/progress";

int Open(const char* path, int flags) {
  const int file = open(path, flags | O_CLOEXEC);
  if (file < 0) Die(path);
  return file;
}

}  // namespace

void Die(const std::string& what) {
  std::fprintf(stderr, "storm: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

bool WriteFile(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = write(file, text.data(), text.size()) ==
                    static_cast<ssize_t>(text.size());
  close(file);
  return done;
}

std::uint64_t MasksOffset() {
  const int probe = Open(kProbe, O_RDONLY);
  void* memory = mmap(nullptr, sizeof(lauberhorn_probe_info), PROT_READ,
                      MAP_SHARED, probe, 0);
  if (memory == MAP_FAILED) Die("mapping the probe");
  lauberhorn_probe_info info;
  std::memcpy(&info, memory, sizeof(info));
  munmap(memory, sizeof(lauberhorn_probe_info));
  close(probe);
  return info.cpu_masks - info.endpoint_words;
}

Devices::Devices(bool recorded)
    : recorder_(recorded ? Open(kRecorder, O_WRONLY) : -1),
      probe_(Open(kProbe, O_RDONLY)) {}

void Devices::Mark(lh_mark_what what, std::uint32_t argument,
                   std::uint64_t value) const {
  if (recorder_ < 0) return;
  const lh_mark mark = {what, argument, value};
  if (write(recorder_, &mark, sizeof(mark)) != sizeof(mark)) Die("a mark");
}

bool Devices::Bind(std::uint32_t endpoint, std::uint32_t generation) const {
  const lauberhorn_probe_bind bind = {endpoint, generation};
  Mark(LH_MARK_BIND, endpoint, generation);
  const int error =
      ioctl(probe_, LAUBERHORN_PROBE_BIND, &bind) == 0 ? 0 : errno;
  Mark(LH_MARK_BOUND, static_cast<std::uint32_t>(error), 0);
  return error == 0;
}

bool Devices::Unbind() const {
  Mark(LH_MARK_UNBIND, 0, 0);
  const int error = ioctl(probe_, LAUBERHORN_PROBE_UNBIND) == 0 ? 0 : errno;
  Mark(LH_MARK_UNBOUND, static_cast<std::uint32_t>(error), 0);
  return error == 0;
}

void Devices::MarkHotplug(lh_mark_what what, unsigned cpu, bool online) const {
  Mark(what, cpu, online ? 1 : 0);
}

Devices::Progress Devices::ReadProgress() {
  Progress progress;
  std::FILE* file = std::fopen(kProgress, "re");
  if (file == nullptr ||
      std::fscanf(file, "%u %u %u", &progress.words, &progress.delayed,
                  &progress.records) != 3) {
    Die(kProgress);
  }
  std::fclose(file);
  return progress;
}

void Devices::Save(const std::string& path) {
  const int from = Open(kRecorder, O_RDONLY);
  const int to =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (to < 0) Die(path);
  std::vector<char> piece(std::size_t{1} << 20);
  ssize_t size;
  while ((size = read(from, piece.data(), piece.size())) > 0) {
    if (write(to, piece.data(), static_cast<std::size_t>(size)) != size) {
      Die(path);
    }
  }
  if (size < 0 || close(to) != 0) Die(path);
  close(from);
}

}  // namespace lauberhorn::storm
