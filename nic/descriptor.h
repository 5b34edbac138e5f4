// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/descriptor.h
//
// A file descriptor that is closed by its owner. Not thread-safe.
#ifndef LAUBERHORN_NIC_DESCRIPTOR_H_
#define LAUBERHORN_NIC_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace lauberhorn::nic {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (ok()) close(number_);
  }

  Descriptor(Descriptor&& other) noexcept
      : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  bool ok() const { return number_ >= 0; }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_DESCRIPTOR_H_
