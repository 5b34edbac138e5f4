// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/host_side.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace lauberhorn::nic::testing {
namespace {

constexpr std::size_t kPage = 4096;

}  // namespace

RegionMemory::RegionMemory(const RegionOptions& options)
    : size_((Region::Size(options) + kPage - 1) / kPage * kPage),
      memory_(static_cast<std::uint8_t*>(std::aligned_alloc(kPage, size_))) {
  if (memory_ == nullptr) throw std::bad_alloc();
  std::memset(memory_.get(), 0, size_);
}

void RegionMemory::Free::operator()(std::uint8_t* memory) const {
  std::free(memory);
}

HostChannel::HostChannel(std::uint8_t* base, std::uint32_t endpoint,
                         Which which)
    : ::lauberhorn::testing::HostChannel(
          base,
          *reinterpret_cast<const lh_process_layout*>(
              base + reinterpret_cast<const lh_info*>(base)->processes),
          endpoint,
          which == Which::kServe ? ::lauberhorn::testing::ChannelOf::kServe
                                 : ::lauberhorn::testing::ChannelOf::kCall) {}

}  // namespace lauberhorn::nic::testing
