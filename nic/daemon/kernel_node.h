// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/kernel_node.h
//
// The node of the kernel's module: /dev/lauberhornN-nic.
#ifndef LAUBERHORN_NIC_DAEMON_KERNEL_NODE_H_
#define LAUBERHORN_NIC_DAEMON_KERNEL_NODE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nic/daemon/node.h"

namespace lauberhorn::nic::daemon {

class KernelNode final : public Node {
 public:
  // Errors say what to do: NOT_FOUND if there is no such node, UNAVAILABLE if
  // another NIC has it, PERMISSION_DENIED.
  static absl::StatusOr<std::unique_ptr<KernelNode>> Open(
      const std::string& path);

  // The NIC is down.
  ~KernelNode() override;

  KernelNode(const KernelNode&) = delete;
  KernelNode& operator=(const KernelNode&) = delete;

  int Attach(lh_nic_attach* attach) override;
  int Start(lh_nic_start* start) override;
  int descriptor() const override { return file_; }
  int Read(absl::Span<lh_nic_event> events, std::size_t* count) override;
  int Map(std::uint64_t offset, std::uint64_t size,
          std::uint8_t** base) override;
  void Unmap(std::uint8_t* base, std::uint64_t size) override;
  int Answer(const lh_nic_answer& answer) override;
  int End(const lh_nic_end& end) override;
  int Wake(lh_nic_wake* wake) override;
  int Interrupt(std::uint32_t cpu) override;

 private:
  explicit KernelNode(int file) : file_(file) {}

  const int file_;
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_KERNEL_NODE_H_
