// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/device.h
//
// A process at the module: what a library would do with /dev/lauberhornN, call
// by call. Every call returns 0 or the errno.
//
// Thread-safety: all but Attach() and the mappings from any thread.
#ifndef LAUBERHORN_TESTS_VM_KMOD_DEVICE_H_
#define LAUBERHORN_TESTS_VM_KMOD_DEVICE_H_

#include <cstdint>

#include "abi/host/device.h"
#include "abi/host/region.h"
#include "abi/host/testing/host_channel.h"

namespace lauberhorn::kmod {

inline constexpr char kNode[] = "/dev/lauberhorn0";
inline constexpr char kNicNode[] = "/dev/lauberhorn0-nic";

// ioctl(), and 0 or its errno.
int Call(int file, unsigned long command, void* argument);

class Device {
 public:
  // Opens the node; dies if it cannot.
  explicit Device(const char* node = kNode);
  // Takes over a file that somebody else opened.
  explicit Device(int file) : file_(file) {}
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int file() const { return file_; }
  int Info(lh_device_info* info) const;
  // Waits for the NIC.
  int Attach();
  const lh_device_attach& attached() const { return attached_; }
  // Maps all of the part: the information page read-only.
  int Map();
  void Unmap();
  std::uint8_t* base() const { return base_; }
  const lh_info& region() const {
    return *reinterpret_cast<const lh_info*>(base_);
  }
  // Of the part that the test's NIC laid out.
  testing::HostChannel Channel(std::uint32_t endpoint,
                               testing::ChannelOf which) const;

  // With its hint page, where the part is mapped.
  int Bind(std::uint32_t endpoint) const;
  int Unbind() const;
  int Park(std::uint32_t endpoint, const void* word, std::uint64_t parked,
           std::uint64_t until = 0) const;
  // Parks on a word of the caller, which nobody changes.
  int Park(std::uint32_t endpoint, std::uint64_t until = 0) const;
  int Ring() const;

 private:
  int file_;
  lh_device_attach attached_ = {};
  std::uint8_t* base_ = nullptr;
};

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_DEVICE_H_
