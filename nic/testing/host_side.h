// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/host_side.h
//
// The host's side of a region for tests: its memory, and one channel as a
// thread of the process sees it. Finds everything by the offsets in the region,
// as any host does, and speaks through abi/host/channel.h.
//
// The host and the NIC may be driven by the same thread or by two.
#ifndef LAUBERHORN_NIC_TESTING_HOST_SIDE_H_
#define LAUBERHORN_NIC_TESTING_HOST_SIDE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/channel_user.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nic/bytes.h"
#include "nic/channel_table.h"
#include "nic/region.h"

namespace lauberhorn::nic::testing {

inline std::string Text(absl::Span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

// The payload of a message with LH_FLAG_META.
inline std::string WithMeta(absl::string_view meta, absl::string_view payload) {
  const auto size = static_cast<std::uint32_t>(meta.size());
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes.append(meta.data(), meta.size());
  bytes.append(payload.data(), payload.size());
  return bytes;
}

// Zeroed, page-aligned memory for a region.
class RegionMemory {
 public:
  explicit RegionMemory(const RegionOptions& options);

  absl::Span<std::uint8_t> bytes() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::uint8_t* memory) const;
  };
  std::size_t size_;
  std::unique_ptr<std::uint8_t, Free> memory_;
};

// What a host took from an `in` lane.
struct TakenMessage {
  lh_message header;
  std::string payload;
};

class HostChannel {
 public:
  // Channel `which` of endpoint `endpoint` of the region that begins at `base`.
  HostChannel(std::uint8_t* base, std::uint32_t endpoint, Which which);

  // Puts a message, if there is room. header.length says how much of the
  // payload is written unless `length_as_given`; then it may lie about it.
  bool Put(lh_message header, absl::string_view payload = "",
           bool length_as_given = false);

  // Takes the next message; false if there is none. Its slot is released at
  // once or, if `held` is given, by Release().
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

// Remembers whom it was asked to wake.
class RecordingWaker final : public Waker {
 public:
  void Wake(__u64* word) override { words.push_back(word); }

  std::vector<__u64*> words;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_HOST_SIDE_H_
