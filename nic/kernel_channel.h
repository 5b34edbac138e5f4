// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/kernel_channel.h
//
// The NIC's side of the kernel channel of one CPU: commands to the kernel, and
// its answers. Both lanes follow the edges of an `out` lane: each word has one
// writer per state, so there is no compare-and-swap.
#ifndef LAUBERHORN_NIC_KERNEL_CHANNEL_H_
#define LAUBERHORN_NIC_KERNEL_CHANNEL_H_

#include <cstdint>

#include "abi/host/channel_user.h"
#include "abi/host/message.h"

namespace lauberhorn::nic {

// A command: the endpoint is named with its generation, the CPU is preferred.
struct KernelCommand {
  std::uint8_t kind;  // LH_KIND_RUN or LH_KIND_PREEMPT
  std::uint64_t number;
  std::uint64_t epoch;
  std::uint64_t endpoint;  // lh_handle
  std::uint32_t cpu;
};

struct KernelAnswer {
  std::uint64_t number;
  std::uint64_t code;  // enum lh_kernel_answer, or anything
};

class KernelChannel {
 public:
  KernelChannel(const lh_lane& out, const lh_lane& in) : out_(out), in_(in) {}

  bool HasRoom() const {
    return lh_state(lh_load_acquire(&lh_lane_next(&in_)->header.word)) ==
           LH_FREE;
  }

  // False if there is no room. The full fence that must follow is the caller's.
  bool Put(const KernelCommand& command) {
    lh_line* const line = lh_put_begin(&in_);
    if (line == nullptr) return false;
    line->header.call = command.number;
    line->header.code = command.epoch;
    line->header.data = command.endpoint;
    line->header.deadline = 0;
    line->header.length = 0;
    line->header.kind = command.kind;
    line->header.flags = 0;
    line->header.aux = static_cast<std::uint16_t>(command.cpu + 1);
    lh_put_end(&in_, line);
    return true;
  }

  bool HasAnswer() const {
    lh_lane out = out_;
    return lh_collect_begin(&out) != nullptr;
  }

  // The next answer; false if there is none. What is none is passed over, at
  // most a lane of it.
  bool Collect(KernelAnswer* answer) {
    for (std::uint32_t slot = 0; slot < out_.slots; ++slot) {
      lh_line* const line = lh_collect_begin(&out_);
      if (line == nullptr) return false;
      const std::uint8_t kind = line->header.kind;
      *answer = {.number = line->header.call, .code = line->header.code};
      lh_collect_end(&out_, line);
      if (kind == LH_KIND_ANSWER) return true;
    }
    return false;
  }

 private:
  lh_lane out_;
  lh_lane in_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_KERNEL_CHANNEL_H_
