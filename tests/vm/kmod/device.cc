// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/device.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace lauberhorn::kmod {

int Call(int file, unsigned long command, void* argument) {
  return ioctl(file, command, argument) == 0 ? 0 : errno;
}

Device::Device(const char* node) : file_(open(node, O_RDWR | O_CLOEXEC)) {
  if (file_ >= 0) return;
  std::perror(node);
  std::_Exit(2);
}

Device::~Device() {
  Unmap();
  close(file_);
}

int Device::Info(lh_device_info* info) const {
  return Call(file_, LH_DEVICE_INFO, info);
}

int Device::Attach() { return Call(file_, LH_DEVICE_ATTACH, &attached_); }

int Device::Map() {
  void* const whole = mmap(nullptr, attached_.size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return errno;
  auto* const base = static_cast<std::uint8_t*>(whole);
  constexpr std::size_t kPage = sizeof(lh_info);
  if (mmap(base, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, file_, 0) ==
          MAP_FAILED ||
      mmap(base + kPage, attached_.size - kPage, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_FIXED, file_, kPage) == MAP_FAILED) {
    const int error = errno;
    munmap(whole, attached_.size);
    return error;
  }
  base_ = base;
  return 0;
}

void Device::Unmap() {
  if (base_ != nullptr) munmap(base_, attached_.size);
  base_ = nullptr;
}

testing::HostChannel Device::Channel(std::uint32_t endpoint,
                                     testing::ChannelOf which) const {
  const auto* const process =
      reinterpret_cast<const lh_process_layout*>(base_ + region().processes);
  return testing::HostChannel(base_, *process, endpoint, which);
}

int Device::Bind(std::uint32_t endpoint) const {
  lh_device_bind bind = {endpoint, 0, 0};
  if (base_ != nullptr && endpoint < attached_.endpoints) {
    const auto* const process =
        reinterpret_cast<const lh_process_layout*>(base_ + region().processes);
    bind.hint = reinterpret_cast<const lh_endpoint_layout*>(
                    base_ + process->endpoints)[endpoint]
                    .hint;
  }
  return Call(file_, LH_DEVICE_BIND, &bind);
}

int Device::Unbind() const { return Call(file_, LH_DEVICE_UNBIND, nullptr); }

int Device::Park(std::uint32_t endpoint, const void* word, std::uint64_t parked,
                 std::uint64_t until) const {
  lh_device_park park = {reinterpret_cast<std::uintptr_t>(word), parked, until,
                         endpoint, 0};
  return Call(file_, LH_DEVICE_PARK, &park);
}

int Device::Park(std::uint32_t endpoint, std::uint64_t until) const {
  alignas(8) const std::uint64_t word = 5;
  return Park(endpoint, &word, word, until);
}

int Device::Ring() const { return Call(file_, LH_DEVICE_RING, nullptr); }

}  // namespace lauberhorn::kmod
