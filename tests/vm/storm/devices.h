// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/storm/devices.h
//
// The probe, a device that the kernel tells what runs where
// (/dev/lauberhorn-probe), and the recorder of tests/vm/modules
// (/dev/lh-recorder). Both belong to root.
#ifndef LAUBERHORN_TESTS_VM_STORM_DEVICES_H_
#define LAUBERHORN_TESTS_VM_STORM_DEVICES_H_

#include <cstdint>
#include <string>

#include "tests/vm/modules/recorder/record.h"

namespace lauberhorn::storm {

// Prints what failed, with errno, and ends the process.
[[noreturn]] void Die(const std::string& what);

// Writes `text` into a file of sysfs, cgroupfs or debugfs; false if it says no.
bool WriteFile(const std::string& path, const std::string& text);

// From the endpoint words of the probe to its CPU masks, in bytes; what the
// recorder wants to know.
std::uint64_t MasksOffset();

// Any thread may call these; each call is one system call, Bind and Unbind
// three.
class Devices {
 public:
  // Opens both, the recorder first: it sees the first words; or the probe only,
  // if nobody records. Dies if it cannot.
  explicit Devices(bool recorded);
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  // Binds the calling thread, or ends its binding, and tells the recorder;
  // whether it worked.
  bool Bind(std::uint32_t endpoint, std::uint32_t generation) const;
  bool Unbind() const;

  // Tells the recorder that a CPU will, or did, come or go.
  void MarkHotplug(lh_mark_what what, unsigned cpu, bool online) const;

  struct Progress {
    unsigned words = 0;
    unsigned delayed = 0;
    unsigned records = 0;  // of the CPU that has most
  };
  static Progress ReadProgress();

  // Ends the recording, and writes it into a file.
  static void Save(const std::string& path);

 private:
  void Mark(lh_mark_what what, std::uint32_t argument,
            std::uint64_t value) const;

  int recorder_;  // -1: none
  int probe_;
};

}  // namespace lauberhorn::storm

#endif  // LAUBERHORN_TESTS_VM_STORM_DEVICES_H_
