// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/host_side.h
//
// The host's side of a region for tests: its memory, and one channel as a
// thread of the process sees it.
#ifndef LAUBERHORN_NIC_TESTING_HOST_SIDE_H_
#define LAUBERHORN_NIC_TESTING_HOST_SIDE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/testing/host_channel.h"
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

using ::lauberhorn::testing::TakenMessage;

// A channel of endpoint `endpoint` of the one process of the region at `base`.
class HostChannel : public ::lauberhorn::testing::HostChannel {
 public:
  HostChannel(std::uint8_t* base, std::uint32_t endpoint, Which which);

  bool Put(const lh_message& header, absl::string_view payload = "",
           bool length_as_given = false) {
    return ::lauberhorn::testing::HostChannel::Put(
        header, {payload.data(), payload.size()}, length_as_given);
  }
};

// Remembers whom it was asked to wake.
class RecordingWaker final : public Waker {
 public:
  void Wake(std::uint32_t endpoint, __u64* word) override {
    endpoints.push_back(endpoint);
    words.push_back(word);
  }

  std::vector<std::uint32_t> endpoints;  // of words
  std::vector<__u64*> words;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_HOST_SIDE_H_
