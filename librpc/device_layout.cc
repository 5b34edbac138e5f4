// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device_layout.h"

#include <cstring>
#include <utility>

#include "abi/host/lane.h"
#include "abi/host/message.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "librpc/device.h"
#include "librpc/message_body.h"

namespace lauberhorn {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kMaxSlots = 4096;
constexpr std::uint32_t kMaxEndpoints = 65'535;  // a message's aux names one

absl::Status Wrong(absl::string_view what) {
  return absl::InternalError(
      absl::StrCat("the NIC's layout cannot be used: ", what));
}

class Reader {
 public:
  explicit Reader(absl::Span<const std::uint8_t> part) : part_(part) {}

  // Whether `count` objects of `size` bytes at `offset` lie in the part, not in
  // its first page, and as they must be aligned.
  bool Has(std::uint64_t offset, std::uint64_t count, std::uint64_t size,
           std::uint64_t alignment = sizeof(std::uint64_t)) const {
    return offset >= kPage && offset <= part_.size() &&
           offset % alignment == 0 && count <= (part_.size() - offset) / size;
  }

  template <typename T>
  void Copy(std::uint64_t offset, std::uint64_t count, T* to) const {
    std::memcpy(to, part_.data() + offset, count * sizeof(T));
  }

 private:
  const absl::Span<const std::uint8_t> part_;
};

absl::Status CheckInfo(const lh_info& info) {
  if (info.slots < 2 || info.slots > kMaxSlots) return Wrong("slots");
  if (info.line_stride < LH_LINE_SIZE || info.line_stride % LH_LINE_SIZE != 0) {
    return Wrong("the stride of lines");
  }
  if (info.overflow_size < kMaxMessage - LH_INLINE_SIZE ||
      info.overflow_size % sizeof(std::uint64_t) != 0) {
    return Wrong("the size of overflow blocks");
  }
  return absl::OkStatus();
}

absl::Status CheckProcess(const Reader& part,
                          const lh_process_layout& process) {
  if (process.endpoint_count == 0 || process.endpoint_count > kMaxEndpoints ||
      process.control_endpoint >= process.endpoint_count ||
      !part.Has(process.endpoints, process.endpoint_count,
                sizeof(lh_endpoint_layout))) {
    return Wrong("endpoints");
  }
  if (!part.Has(process.bell, process.bell_lines, sizeof(lh_bell_line))) {
    return Wrong("the bell");
  }
  if (!part.Has(process.call_words,
                std::uint64_t{process.call_first} + process.call_count,
                sizeof(lh_call_word))) {
    return Wrong("calls");
  }
  return absl::OkStatus();
}

bool IsLane(const Reader& part, const lh_info& info,
            const lh_lane_layout& lane) {
  return part.Has(lane.lines, info.slots, info.line_stride, LH_LINE_SIZE) &&
         part.Has(lane.overflow, info.slots, info.overflow_size);
}

bool IsChannel(const Reader& part, const DeviceLayout& layout,
               const lh_channel_layout& channel) {
  return IsLane(part, layout.info, channel.out) &&
         IsLane(part, layout.info, channel.in) &&
         part.Has(channel.state, 1, sizeof(lh_channel_state)) &&
         channel.bell / LH_BELL_BITS < layout.process.bell_lines;
}

bool IsEndpoint(const Reader& part, const DeviceLayout& layout,
                std::uint32_t index) {
  const lh_endpoint_layout& endpoint = layout.endpoints[index];
  return endpoint.index == index && IsChannel(part, layout, endpoint.serve) &&
         IsChannel(part, layout, endpoint.call) &&
         (endpoint.hint == 0 ||
          part.Has(endpoint.hint, 1, sizeof(lh_hint), kPage));
}

}  // namespace

absl::StatusOr<DeviceLayout> ReadDeviceLayout(
    absl::Span<const std::uint8_t> part) {
  DeviceLayout layout;
  if (part.size() < sizeof(lh_info)) return Wrong("its size");
  const Reader reader(part);
  reader.Copy(0, 1, &layout.info);
  absl::Status status = CheckDevice(layout.info);
  if (status.ok()) status = CheckInfo(layout.info);
  if (!status.ok()) return status;
  if (!reader.Has(layout.info.processes, 1, sizeof(lh_process_layout))) {
    return Wrong("the process's own");
  }
  reader.Copy(layout.info.processes, 1, &layout.process);
  status = CheckProcess(reader, layout.process);
  if (!status.ok()) return status;
  layout.endpoints.resize(layout.process.endpoint_count);
  reader.Copy(layout.process.endpoints, layout.endpoints.size(),
              layout.endpoints.data());
  for (std::uint32_t index = 0; index < layout.endpoints.size(); ++index) {
    if (!IsEndpoint(reader, layout, index)) {
      return Wrong(absl::StrCat("endpoint ", index));
    }
  }
  return layout;
}

}  // namespace lauberhorn
