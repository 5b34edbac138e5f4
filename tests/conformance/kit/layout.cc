// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kit/layout.h"

#include <algorithm>
#include <cstring>

#include "tests/conformance/kit/test.h"

namespace lauberhorn::conformance {
namespace {

template <typename T>
T Read(const RegionFile& region, std::uint64_t offset, const char* what) {
  Expect(offset <= region.size() && sizeof(T) <= region.size() - offset,
         std::string(what) + " inside of the region",
         "it is at " + Hex(offset) + ", of " + Hex(region.size()) + " bytes");
  T copy;
  std::memcpy(&copy, region.base() + offset, sizeof(T));
  return copy;
}

}  // namespace

Layout ReadLayout(const RegionFile& region) {
  Layout layout;
  layout.info = Read<lh_info>(region, 0, "the information page");
  layout.process = Read<lh_process_layout>(region, layout.info.processes,
                                           "the layout of the process");
  for (std::uint32_t at = 0; at < layout.process.endpoint_count; ++at) {
    layout.endpoints.push_back(Read<lh_endpoint_layout>(
        region,
        layout.process.endpoints +
            std::uint64_t{at} * sizeof(lh_endpoint_layout),
        "the layout of an endpoint"));
  }
  return layout;
}

std::vector<Part> PartsOf(const Layout& layout, bool emptied) {
  const lh_info& info = layout.info;
  const lh_process_layout& process = layout.process;
  std::vector<Part> parts = {
      {process.call_words,
       (std::uint64_t{process.call_first} + process.call_count) *
           sizeof(lh_call_word),
       sizeof(lh_call_word), "the call words"},
      {process.bell, process.bell_lines * sizeof(lh_bell_line), LH_LINE_SIZE,
       "the bell lines"}};
  if (!emptied) {
    parts.push_back({0, sizeof(lh_info), LH_LINE_SIZE, "the information page"});
    parts.push_back({info.processes,
                     info.process_count * sizeof(lh_process_layout),
                     LH_LINE_SIZE, "the processes"});
    parts.push_back({process.endpoints,
                     process.endpoint_count * sizeof(lh_endpoint_layout),
                     LH_LINE_SIZE, "the endpoints"});
    parts.push_back({process.arena, process.arena_size, 1, "the arena"});
  }
  const auto add_channel = [&](const lh_channel_layout& channel,
                               const std::string& name) {
    parts.push_back({channel.state, sizeof(lh_channel_state), LH_LINE_SIZE,
                     "the state of " + name});
    const auto add_lane = [&](const lh_lane_layout& lane,
                              const std::string& of) {
      for (std::uint64_t slot = 0; slot < info.slots; ++slot) {
        parts.push_back({lane.lines + slot * info.line_stride, LH_LINE_SIZE,
                         LH_LINE_SIZE, "a line of " + of});
      }
      parts.push_back({lane.overflow,
                       std::uint64_t{info.slots} * info.overflow_size, 1,
                       "the overflow blocks of " + of});
    };
    add_lane(channel.out, name + ".out");
    add_lane(channel.in, name + ".in");
  };
  for (std::size_t at = 0; at < layout.endpoints.size(); ++at) {
    const std::string name = "endpoint " + std::to_string(at);
    add_channel(layout.endpoints[at].serve, name + ".serve");
    add_channel(layout.endpoints[at].call, name + ".call");
    if (layout.endpoints[at].hint != 0 && !emptied) {
      parts.push_back({layout.endpoints[at].hint, sizeof(lh_hint),
                       sizeof(lh_hint), "the hint page of " + name});
    }
  }
  return parts;
}

void CheckParts(const RegionFile& region, const Layout& layout) {
  Expect(layout.info.slots >= 2 && layout.info.line_stride > 0 &&
             layout.info.line_stride % LH_LINE_SIZE == 0,
         "two slots or more, a multiple of 128 bytes apart",
         std::to_string(layout.info.slots) + " slots, " +
             std::to_string(layout.info.line_stride) + " bytes apart");
  std::vector<Part> parts = PartsOf(layout);
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.begin < b.begin || (a.begin == b.begin && a.size < b.size);
  });
  const std::uint64_t size =
      std::min<std::uint64_t>(region.size(), layout.info.region_size);
  const Part* before = nullptr;
  for (const Part& part : parts) {
    if (part.size == 0) continue;
    Expect(part.begin % part.alignment == 0, part.name + " aligned",
           "it begins at " + Hex(part.begin));
    Expect(part.begin <= size && part.size <= size - part.begin,
           part.name + " in the region",
           "it ends at " + Hex(part.begin + part.size) + ", the region at " +
               Hex(size));
    Expect(before == nullptr || before->begin + before->size <= part.begin,
           part.name + " apart from all else",
           "it overlaps " + (before == nullptr ? "" : before->name));
    before = &part;
  }
}

}  // namespace lauberhorn::conformance
