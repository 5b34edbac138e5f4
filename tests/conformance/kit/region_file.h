// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/region_file.h
//
// A device region that is found in the file system: a file in shared memory
// that a device in software has made, or a resource of a PCI device; and how to
// ring the device. A driver's first acts: nothing here follows an offset of the
// device before that has been checked (layout.h).
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_REGION_FILE_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_REGION_FILE_H_

#include <cstdint>
#include <string>

#include "abi/host/region.h"

namespace lauberhorn::conformance {

class RegionFile {
 public:
  // Maps `size` bytes at `offset`, or all that follow it if `size` is 0. `ring`
  // is a file that rings the device if eight bytes are written to it, or empty.
  // Throws std::runtime_error if that cannot be.
  RegionFile(const std::string& path, std::uint64_t offset, std::uint64_t size,
             const std::string& ring);
  ~RegionFile();

  RegionFile(const RegionFile&) = delete;
  RegionFile& operator=(const RegionFile&) = delete;

  std::uint8_t* base() const { return base_; }
  std::uint64_t size() const { return size_; }
  lh_info& info() const { return *reinterpret_cast<lh_info*>(base_); }

  // Wakes the device. Throws Failure if it wants to be rung and says nowhere
  // how.
  void Ring() const;

 private:
  std::uint8_t* base_ = nullptr;
  std::uint64_t size_ = 0;
  int ring_ = -1;
};

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_REGION_FILE_H_
