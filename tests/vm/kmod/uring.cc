// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/uring.h"

#include <liburing.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "gtest/gtest.h"

namespace lauberhorn::kmod {
namespace {

constexpr unsigned kEntries = 8;

Completion Taken(io_uring* ring, io_uring_cqe* entry) {
  const Completion taken(entry->user_data, -entry->res);
  io_uring_cqe_seen(ring, entry);
  return taken;
}

}  // namespace

CommandRing::CommandRing(unsigned flags) {
  const int error = io_uring_queue_init(kEntries, &ring_, flags);
  if (error == 0) return;
  std::fprintf(stderr, "io_uring_queue_init: %s\n", std::strerror(-error));
  std::_Exit(2);
}

void CommandRing::Close() {
  if (open_) io_uring_queue_exit(&ring_);
  open_ = false;
}

void CommandRing::Signal(int eventfd) {
  EXPECT_EQ(io_uring_register_eventfd(&ring_, eventfd), 0);
}

void CommandRing::Put(std::uint64_t number, int file, unsigned call,
                      const void* argument, unsigned flags) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  ASSERT_NE(entry, nullptr);
  io_uring_prep_nop(entry);
  entry->opcode = IORING_OP_URING_CMD;
  entry->fd = file;
  entry->cmd_op = call;
  entry->flags = static_cast<__u8>(flags);
  entry->user_data = number;
  const lh_device_uring command = {reinterpret_cast<std::uintptr_t>(argument),
                                   0};
  std::memcpy(entry->cmd, &command, sizeof(command));
}

void CommandRing::Submit() { EXPECT_GE(io_uring_submit(&ring_), 0); }

Completion CommandRing::Wait() {
  io_uring_cqe* entry = nullptr;
  int error;
  do {
    error = io_uring_wait_cqe(&ring_, &entry);
  } while (error == -EINTR);
  EXPECT_EQ(error, 0);
  return error == 0 ? Taken(&ring_, entry) : Completion(0, -1);
}

std::optional<Completion> CommandRing::Now() {
  io_uring_cqe* entry = nullptr;
  if (io_uring_peek_cqe(&ring_, &entry) != 0) return std::nullopt;
  return Taken(&ring_, entry);
}

lh_device_park ParkOnNothing(std::uint32_t endpoint, std::uint64_t until) {
  alignas(8) static const std::uint64_t kWord = 5;
  return {reinterpret_cast<std::uintptr_t>(&kWord), kWord, until, endpoint, 0};
}

}  // namespace lauberhorn::kmod
