// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/watch/state_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "abi/host/endpoint.h"
#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::cli {
namespace {

constexpr unsigned kMostCpus = sizeof(lh_cpu_mask) * 8;
// No more than a CPU that changes without end deserves.
constexpr int kMostTries = 4;

// Whether `count` things, `stride` bytes apart, lie in `size` bytes.
bool Fits(std::uint64_t size, std::uint64_t offset, std::uint64_t stride,
          std::uint64_t count) {
  return offset % alignof(std::uint64_t) == 0 &&
         stride % alignof(std::uint64_t) == 0 && offset <= size &&
         count <= (size - offset) / stride;
}

absl::Status CheckLayout(const lauberhorn_probe_info& info,
                         std::uint64_t size) {
  if (info.size > size || info.cpus > kMostCpus ||
      info.cpu_stride < sizeof(lh_cpu_state) ||
      !Fits(info.size, info.cpu_lines, info.cpu_stride, info.cpus) ||
      !Fits(info.size, info.endpoint_words, sizeof(lh_endpoint_word),
            info.endpoints) ||
      !Fits(info.size, info.cpu_masks, sizeof(lh_cpu_mask),
            info.cpu_mask_count)) {
    return absl::InvalidArgumentError(
        "it has a layout that this program does not know; both must be of one "
        "version");
  }
  return absl::OkStatus();
}

absl::Status OpenError(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return absl::NotFoundError(absl::StrCat(
          "there is no ", path,
          ": this kernel was built without CONFIG_LAUBERHORN_PROBE; `make "
          "watch` shows one that has it, in a guest"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          path, " shows what runs on each CPU, so it is root's: use sudo"));
    case EBUSY:
      return absl::UnavailableError(
          absl::StrCat(path, ": another device is registered"));
    default:
      return absl::UnavailableError(
          absl::StrCat("opening ", path, ": ", std::strerror(error)));
  }
}

std::uint64_t Load(const __u64& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

}  // namespace

absl::StatusOr<StateMemory> StateMemory::Open(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return OpenError(path, errno);
  const absl::Cleanup close_file = [file] { close(file); };
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const first = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (first == MAP_FAILED) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " cannot be mapped: ", std::strerror(errno)));
  }
  lauberhorn_probe_info info;
  std::memcpy(&info, first, sizeof(info));
  munmap(first, size);
  if (absl::Status status = CheckLayout(info, info.size); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", status.message()));
  }
  void* const all = mmap(nullptr, info.size, PROT_READ, MAP_SHARED, file, 0);
  if (all == MAP_FAILED) {
    return absl::UnavailableError(absl::StrCat(
        "mapping ", info.size, " bytes of ", path, ": ", std::strerror(errno)));
  }
  // The mapping keeps the device registered.
  return StateMemory({static_cast<const std::byte*>(all),
                      [size = info.size](const std::byte* memory) {
                        munmap(const_cast<std::byte*>(memory), size);
                      }},
                     info);
}

absl::StatusOr<StateMemory> StateMemory::Over(
    absl::Span<const std::byte> memory) {
  lauberhorn_probe_info info;
  if (memory.size() < sizeof(info)) {
    return absl::InvalidArgumentError("too small for anything");
  }
  std::memcpy(&info, memory.data(), sizeof(info));
  if (absl::Status status = CheckLayout(info, memory.size()); !status.ok()) {
    return status;
  }
  return StateMemory({memory.data(), [](const std::byte*) {}}, info);
}

CpuLook StateMemory::LookAtCpu(unsigned cpu) const {
  const auto& state = *reinterpret_cast<const lh_cpu_state*>(
      memory_.get() + info_.cpu_lines + std::uint64_t{cpu} * info_.cpu_stride);
  // The kernel stores ring, word, count in this order.
  std::uint64_t count = Load(state.count);
  std::uint64_t word = Load(state.word);
  std::array<std::uint32_t, LH_DEPARTED> ring;
  for (int tries = 0; tries < kMostTries; ++tries) {
    for (std::size_t at = 0; at < ring.size(); ++at) {
      ring[at] = __atomic_load_n(&state.departed[at], __ATOMIC_ACQUIRE);
    }
    const std::uint64_t old_count = std::exchange(count, Load(state.count));
    const std::uint64_t old_word = std::exchange(word, Load(state.word));
    if (old_count == count && old_word == word) break;
  }
  CpuLook look = {nic::CpuWord(word), count, {}};
  for (std::size_t ago = 0; ago < ring.size(); ++ago) {
    look.departed[ago] =
        ring[(look.word.departed + ring.size() - ago) % ring.size()];
  }
  return look;
}

nic::EndpointWord StateMemory::LookAtEndpoint(unsigned endpoint) const {
  const auto* const words = reinterpret_cast<const lh_endpoint_word*>(
      memory_.get() + info_.endpoint_words);
  return nic::EndpointWord(Load(words[endpoint].word));
}

std::string StateMemory::Mask(std::uint32_t mask) const {
  if (mask == 0) return "any";
  if (mask > info_.cpu_mask_count) return "?";
  const auto* const masks =
      reinterpret_cast<const lh_cpu_mask*>(memory_.get() + info_.cpu_masks);
  const auto has = [&](unsigned cpu) {
    return (Load(masks[mask - 1].bits[cpu / 64]) >> cpu % 64 & 1) != 0;
  };
  std::string text;
  for (unsigned cpu = 0; cpu < cpus(); ++cpu) {
    if (!has(cpu)) continue;
    const unsigned first = cpu;
    while (cpu + 1 < cpus() && has(cpu + 1)) ++cpu;
    absl::StrAppend(&text, text.empty() ? "" : ",", first);
    if (cpu > first) absl::StrAppend(&text, "-", cpu);
  }
  return text.empty() ? "none" : text;
}

}  // namespace lauberhorn::cli
