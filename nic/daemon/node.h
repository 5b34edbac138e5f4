// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/node.h
//
// The node by which a NIC in software attaches to the kernel's module
// (abi/host/device.h), call by call. The NIC's life is that of the node.
//
// Every call returns 0 or an errno; none blocks, but those that begin a life.
// Not thread-safe.
#ifndef LAUBERHORN_NIC_DAEMON_NODE_H_
#define LAUBERHORN_NIC_DAEMON_NODE_H_

#include <cstddef>
#include <cstdint>

#include "abi/host/device.h"
#include "absl/types/span.h"

namespace lauberhorn::nic::daemon {

class Node {
 public:
  virtual ~Node() = default;

  virtual int Attach(lh_nic_attach* attach) = 0;
  virtual int Start(lh_nic_start* start) = 0;

  // To sleep on: readable when there are events, broken when the NIC is down.
  virtual int descriptor() const = 0;

  // The next events; EAGAIN if there are none.
  virtual int Read(absl::Span<lh_nic_event> events, std::size_t* count) = 0;

  // The kernel's part is at offset 0, that of a process where its event says.
  virtual int Map(std::uint64_t offset, std::uint64_t size,
                  std::uint8_t** base) = 0;
  virtual void Unmap(std::uint8_t* base, std::uint64_t size) = 0;

  virtual int Answer(const lh_nic_answer& answer) = 0;
  virtual int End(const lh_nic_end& end) = 0;
  virtual int Wake(lh_nic_wake* wake) = 0;
  virtual int Interrupt(std::uint32_t cpu) = 0;
};

// A mapping of a part, as long as this lives; the node outlives it.
class Mapping {
 public:
  // Null, and the errno, if it cannot be mapped.
  Mapping(Node& node, std::uint64_t offset, std::uint64_t size)
      : node_(node), size_(size), error_(node.Map(offset, size, &base_)) {}
  ~Mapping() {
    if (error_ == 0) node_.Unmap(base_, size_);
  }

  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  int error() const { return error_; }
  std::uint8_t* base() const { return base_; }
  absl::Span<std::uint8_t> bytes() const {
    return {base_, static_cast<std::size_t>(size_)};
  }

 private:
  Node& node_;
  const std::uint64_t size_;
  std::uint8_t* base_ = nullptr;
  const int error_;
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_NODE_H_
