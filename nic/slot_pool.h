// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/slot_pool.h
//
// The slots of all sessions of a server. Each session has its first slots for
// ever; further ones are lent to it in blocks, as long as there are some, and
// come back when the session ends.
//
// Not thread-safe; allocates at construction only, and what is not used is not
// touched.
#ifndef LAUBERHORN_NIC_SLOT_POOL_H_
#define LAUBERHORN_NIC_SLOT_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace lauberhorn::nic {

// Slots that a session is granted when it is opened, and the most that it gets.
inline constexpr std::uint16_t kSessionSlots = 8;
inline constexpr std::uint16_t kMaxSessionSlots = 1024;

// Slot is a plain struct: it is not initialized.
template <typename Slot>
class SlotPool {
  static_assert(std::is_trivially_default_constructible_v<Slot>,
                "else all slots are touched");

 public:
  // `spare` slots more than the sessions have from the beginning.
  SlotPool(std::uint32_t sessions, std::uint32_t spare)
      : slots_(new Slot[(std::size_t{sessions} + spare / kBlock) * kBlock]),
        blocks_(new std::uint32_t[std::size_t{sessions} * kBlocks]),
        granted_(sessions, kBlock) {
    free_.reserve(spare / kBlock);
    for (std::uint32_t block = spare / kBlock; block > 0; --block) {
      free_.push_back(sessions + block - 1);
    }
  }

  // Slots 0 .. granted() - 1 of the session may be used.
  std::uint16_t granted(std::uint32_t session) const {
    return granted_[session];
  }

  Slot& At(std::uint32_t session, std::uint16_t number) {
    // Block 0 of a session is its own.
    const std::size_t block =
        number < kBlock
            ? session
            : blocks_[std::size_t{session} * kBlocks + number / kBlock];
    return slots_[block * kBlock + number % kBlock];
  }

  // Doubles the session's slots, if there are enough. True if it got any; they
  // are as their last user left them.
  bool Grow(std::uint32_t session) {
    std::uint16_t& granted = granted_[session];
    const std::size_t wanted =
        std::min<std::size_t>(granted, kMaxSessionSlots - granted) / kBlock;
    const std::size_t count = std::min(wanted, free_.size());
    for (std::size_t i = 0; i < count; ++i) {
      blocks_[std::size_t{session} * kBlocks + granted / kBlock] = free_.back();
      free_.pop_back();
      granted = static_cast<std::uint16_t>(granted + kBlock);
    }
    return count > 0;
  }

  // Back to the first slots.
  void Shrink(std::uint32_t session) {
    for (std::uint16_t number = kBlock; number < granted_[session];
         number = static_cast<std::uint16_t>(number + kBlock)) {
      free_.push_back(
          blocks_[std::size_t{session} * kBlocks + number / kBlock]);
    }
    granted_[session] = kBlock;
  }

 private:
  static constexpr std::uint16_t kBlock = kSessionSlots;
  static constexpr std::size_t kBlocks = kMaxSessionSlots / kBlock;

  const std::unique_ptr<Slot[]> slots_;
  const std::unique_ptr<std::uint32_t[]> blocks_;  // of each session, by number
  std::vector<std::uint16_t> granted_;
  std::vector<std::uint32_t> free_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SLOT_POOL_H_
