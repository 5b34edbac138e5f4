/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// One channel as a thread of a process sees it, for tests. Finds everything by
// the offsets in the region, as any host does, and speaks through channel.h.
// The offsets are trusted: who does not know the device looks at them first.
//
// The host and the NIC may be driven by the same thread, by two, or by two
// processes.

#ifndef LAUBERHORN_ABI_HOST_TESTING_HOST_CHANNEL_H_
#define LAUBERHORN_ABI_HOST_TESTING_HOST_CHANNEL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "../channel_user.h"
#include "../endpoint.h"
#include "../process.h"
#include "../region.h"

namespace lauberhorn::testing {

// Which of an endpoint's channels.
enum class ChannelOf { kServe, kCall };

// What a host took from an `in` lane.
struct TakenMessage {
  lh_message header;
  std::string payload;
};

class HostChannel {
 public:
  // A channel of endpoint `endpoint` of the process that `process` describes,
  // in the region that begins at `base`.
  HostChannel(std::uint8_t* base, const lh_process_layout& process,
              std::uint32_t endpoint, ChannelOf which);

  // Puts a message, if there is room. header.length says how much of the
  // payload is written unless `length_as_given`; then it may lie about it.
  bool Put(lh_message header, std::string_view payload = "",
           bool length_as_given = false);

  // Takes the next message; false if there is none. Its slot is released at
  // once or, if `held` is given, by Release(). Of a message that is longer than
  // a slot the payload is what the slot has.
  bool Take(TakenMessage* message, lh_line** held = nullptr);
  void Release(lh_line* held) { lh_release(&channel_.in, held); }

  // Whether the next message has come.
  bool HasMessage() const;

  // Parks on the slot that the next message will come to.
  bool Park() { return lh_park(&channel_.in) != 0; }
  bool Unpark() { return lh_unpark(&channel_.in) != 0; }
  // Rings if the NIC has more for this lane: what precedes every sleep.
  void BeforeSleep();
  bool Close() { return lh_close(&channel_.in) != 0; }
  // Closes the lane for its dead thread, as a kernel does, which does not know
  // where the thread was: releases each slot that is TAKEN, closes what is
  // empty, and leaves to the NIC what is FULL.
  void CloseForTheDead();

  // How often the NIC had to be rung.
  int rings() const { return rings_; }
  // From now on it is counted there.
  void CountRingsAt(int* rings) { counted_ = rings; }

  lh_channel& channel() { return channel_; }
  __u64* next_word() { return &lh_lane_next(&channel_.in)->header.word; }

 private:
  lh_channel channel_ = {};
  int rings_ = 0;
  int* counted_ = nullptr;
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_ABI_HOST_TESTING_HOST_CHANNEL_H_
