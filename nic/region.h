// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/region.h
//
// The device region as this NIC lays it out, for one process: information page,
// tables, lanes, overflow blocks, hint pages. Everybody else finds things by
// the offsets that are written there; only this file knows how they were
// chosen, and it does not read them back: a process may write into its tables,
// and finds out by itself what that does to it.
//
// Ownership: the memory is the caller's and outlives the Region.
#ifndef LAUBERHORN_NIC_REGION_H_
#define LAUBERHORN_NIC_REGION_H_

#include <cstddef>
#include <cstdint>

#include "abi/host/channel_user.h"
#include "abi/host/control.h"
#include "abi/host/endpoint.h"
#include "abi/host/process.h"
#include "abi/host/region.h"
#include "absl/types/span.h"

namespace lauberhorn::nic {

struct RegionOptions {
  std::uint32_t endpoints = 128;       // 1 to 65,535
  std::uint32_t slots = 8;             // D, 2 or more
  std::uint32_t arrived_calls = 4096;  // calls of others that may be in work
  std::uint32_t own_calls = 4096;      // calls of this process
  std::uint64_t features = 0;          // LH_FEATURE_*
  // From line to line of a lane, in bytes: a multiple of that of a line.
  std::uint32_t line_stride = LH_LINE_SIZE;
  std::uint32_t t_max_ns = 0;  // how long a load may be left unanswered
};

// Which of an endpoint's channels; their number is 2 * endpoint + which.
enum class Which : std::uint32_t { kServe = 0, kCall = 1 };

class Region {
 public:
  // How many bytes a region with these options has.
  static std::size_t Size(const RegionOptions& options);

  // Lays the region out in `memory`, which is zeroed, page-aligned, and at
  // least Size(options) bytes. It is DOWN until the NIC says Ready().
  Region(const RegionOptions& options, absl::Span<std::uint8_t> memory);

  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Publishes the next epoch, of which 1 is the first, or that of the device of
  // which this is a part: whoever sees READY may use the region.
  void Ready() { Ready(epoch_ + 1); }
  void Ready(std::uint64_t epoch);

  // Says that the NIC is lost.
  void Down();

  // Whether a driver asks for a reset that it has not been given. One load
  // while there is no driver.
  bool ResetWanted() const {
    return lh_load_acquire(&info_->request) == LH_REQUEST_RESET &&
           lh_load_acquire(&info_->driver_epoch) != reset_for_;
  }

  // Gives it: forgets all but where things lie, and zeroes them. It is for the
  // NIC to forget the rest, and to say Ready() then.
  void Reset();

  const RegionOptions& options() const { return options_; }
  std::uint8_t* base() const { return base_; }
  lh_info* info() const { return info_; }
  lh_process_layout* process() const { return process_; }
  lh_endpoint_layout* endpoint(std::uint32_t index) const {
    return endpoints_ + index;
  }
  std::uint32_t channels() const { return 2 * options_.endpoints; }

  // Of a channel: its layout, and this NIC's own views of its lanes.
  lh_channel_layout* channel(std::uint32_t number) const;
  lh_lane OutLane(std::uint32_t number) const;
  lh_lane InLane(std::uint32_t number) const;
  lh_channel_state* state(std::uint32_t number) const;

  lh_hint* hint(std::uint32_t endpoint) const;
  lh_call_word* call_word(std::uint32_t index) const;
  absl::Span<lh_bell_line> bell() const;

 private:
  // Offsets from the start, and the end as `size`.
  struct Plan {
    std::uint64_t process;
    std::uint64_t endpoints;
    std::uint64_t states;
    std::uint64_t bell;
    std::uint32_t bell_lines;
    std::uint64_t call_words;
    std::uint64_t lines;
    std::uint64_t overflow;
    std::uint64_t hints;
    std::uint64_t size;
  };
  static Plan MakePlan(const RegionOptions& options);

  // Tells a log of edges that all lanes are empty.
  void NameLanes() const;

  template <typename T>
  T* At(std::uint64_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }
  // Where the lane of this number lies: two of each channel, `out` before `in`.
  lh_lane_layout LaneLayout(std::uint32_t lane) const;
  lh_lane Lane(std::uint32_t lane) const;

  const RegionOptions options_;
  const Plan plan_;
  std::uint8_t* const base_;
  lh_info* info_;
  lh_process_layout* process_;
  lh_endpoint_layout* endpoints_;
  std::uint64_t epoch_ = 0;      // the last that was published
  std::uint64_t reset_for_ = 0;  // the driver's epoch
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_REGION_H_
