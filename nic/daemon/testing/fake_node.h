// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/testing/fake_node.h
//
// A node without a kernel: what the module does for a NIC (docs/module.md),
// with memory that the test maps as well, and processes that the test plays.
//
// Thread-safety: the NIC on one thread, the test on another.
#ifndef LAUBERHORN_NIC_DAEMON_TESTING_FAKE_NODE_H_
#define LAUBERHORN_NIC_DAEMON_TESTING_FAKE_NODE_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "nic/daemon/node.h"

namespace lauberhorn::nic::daemon::testing {

struct FakeNodeOptions {
  std::uint64_t epoch = 1;
  std::uint64_t features = 0;  // LH_DEVICE_*: of the kernel, and of this NIC
  int attach_error = 0;        // that it answers with
  int start_error = 0;
};

class FakeNode final : public Node {
 public:
  explicit FakeNode(const FakeNodeOptions& options = {});
  ~FakeNode() override;

  // Of the NIC.
  int Attach(lh_nic_attach* attach) override;
  int Start(lh_nic_start* start) override;
  int descriptor() const override { return news_; }
  int Read(absl::Span<lh_nic_event> events, std::size_t* count) override;
  int Map(std::uint64_t offset, std::uint64_t size,
          std::uint8_t** base) override;
  void Unmap(std::uint8_t* base, std::uint64_t size) override;
  int Answer(const lh_nic_answer& answer) override;
  int End(const lh_nic_end& end) override;
  int Wake(lh_nic_wake* wake) override;
  int Interrupt(std::uint32_t cpu) override;

  // Of the test: a process opens the node for processes and attaches. Returns
  // its place.
  struct Who {
    pid_t pid = 0;
    uid_t uid = 1000;
    std::uint32_t network = 0;
  };
  std::uint32_t Open(const Who& who);
  std::uint32_t Open() { return Open(Who()); }
  // What it was answered; nothing yet.
  std::optional<int> AnswerOf(std::uint32_t place);
  std::uint32_t GenerationOf(std::uint32_t place);
  // The part of a process, and that of the kernel, mapped by the test.
  absl::Span<std::uint8_t> Part(std::uint32_t place);
  absl::Span<std::uint8_t> KernelPart();
  // It leaves. Whether the NIC has forgotten it.
  void Leave(std::uint32_t place);
  bool IsEnded(std::uint32_t place);
  // The next that is answered has left just before.
  void LeaveBeforeAnswer();
  void Ring();
  // The device goes.
  void Unbind();

  const lh_nic_attach& attached() const { return attached_; }
  bool started() const { return started_; }
  // What the NIC asked for.
  std::vector<lh_nic_wake> wakes();
  std::vector<std::uint32_t> interrupts();
  // Parts that the NIC has mapped, the kernel's included.
  int mappings();

 private:
  enum State { kAsks, kAttached, kLeft, kEnded };
  // Zeroed, shared with whoever maps it once more.
  struct Memory {
    explicit Memory(std::uint64_t bytes);
    ~Memory();
    const int file;
    const std::uint64_t size;
    std::uint8_t* const base;
  };
  struct Place {
    std::unique_ptr<Memory> memory;
    Who who;
    std::uint32_t generation = 0;
    State state = kEnded;
    bool told = false;
    std::optional<int> answer;
  };

  lh_nic_event EventOf(std::uint32_t place, lh_nic_event_kind kind) const;
  // The process that a NIC names; null if it is none.
  Place* Find(std::uint32_t place, std::uint32_t generation);
  void LeaveLocked(std::uint32_t number);
  void Say();

  const FakeNodeOptions options_;
  const int news_;  // eventfd
  std::mutex mutex_;
  lh_nic_attach attached_ = {};
  bool started_ = false;
  bool gone_ = false;
  bool rung_ = false;
  bool leave_before_answer_ = false;
  std::unique_ptr<Memory> kernel_;
  std::map<std::uint32_t, Place> places_;
  std::deque<std::uint32_t> changed_;  // places with news
  std::vector<lh_nic_wake> wakes_;
  std::vector<std::uint32_t> interrupts_;
  int mappings_ = 0;
};

}  // namespace lauberhorn::nic::daemon::testing

#endif  // LAUBERHORN_NIC_DAEMON_TESTING_FAKE_NODE_H_
