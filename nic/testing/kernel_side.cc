// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/kernel_side.h"

#include "abi/host/channel_user.h"

namespace lauberhorn::nic::testing {
namespace {

constexpr std::uint64_t Placed(std::uint64_t value, unsigned shift,
                               unsigned bits) {
  return (value & ((std::uint64_t{1} << bits) - 1)) << shift;
}

}  // namespace

KernelMemory::KernelMemory(const KernelRegionOptions& options)
    : lines_(1 +
             (KernelRegion::Size(options) + LH_LINE_SIZE - 1) / LH_LINE_SIZE),
      region_(std::make_unique<KernelRegion>(options, lines_[0].bytes,
                                             LH_LINE_SIZE)) {}

KernelSide::KernelSide(KernelRegion& region) : region_(region) {
  for (std::uint32_t cpu = 0; cpu < region.options().cpus; ++cpu) {
    cpus_.push_back({});
    cpus_.back().commands = region.InLane(cpu);
    cpus_.back().answers = region.OutLane(cpu);
  }
}

void KernelSide::Publish(std::uint32_t number, const Doing& doing) {
  Cpu& cpu = cpus_[number];
  lh_cpu_state& state = region_.cpu(number)->state;
  if (cpu.endpoint != kNobody && cpu.endpoint != doing.endpoint) {
    ++cpu.departed;
    __atomic_store_n(&state.departed[cpu.departed % LH_DEPARTED],
                     cpu.endpoint + 1, __ATOMIC_RELEASE);
  }
  cpu.endpoint = doing.endpoint;
  ++cpu.count;
  const std::uint64_t word =
      Placed(cpu.count, LH_CPU_SEQ_SHIFT, LH_CPU_SEQ_BITS) |
      Placed(doing.mode, LH_CPU_MODE_SHIFT, LH_CPU_MODE_BITS) |
      Placed(doing.flags, LH_CPU_FLAGS_SHIFT, LH_CPU_FLAGS_BITS) |
      Placed(doing.nr, LH_CPU_NR_SHIFT, LH_CPU_NR_BITS) |
      Placed(doing.scheduling_class, LH_CPU_CLASS_SHIFT, LH_CPU_CLASS_BITS) |
      Placed(cpu.departed, LH_CPU_DEPARTED_SHIFT, LH_CPU_DEPARTED_BITS) |
      Placed(doing.endpoint == kNobody ? 0 : doing.endpoint + 1,
             LH_CPU_ENDPOINT_SHIFT, LH_CPU_ENDPOINT_BITS);
  lh_store_release(&state.word, word);
  lh_store_release(&state.count, cpu.count);
}

void KernelSide::SetState(std::uint32_t endpoint, lh_endpoint_state state,
                          const Thread& thread) {
  const std::uint64_t word =
      Placed(thread.thread, LH_ENDPOINT_WORD_THREAD_SHIFT,
             LH_ENDPOINT_WORD_THREAD_BITS) |
      Placed(thread.generation, LH_ENDPOINT_WORD_GENERATION_SHIFT,
             LH_ENDPOINT_WORD_GENERATION_BITS) |
      Placed(state, LH_ENDPOINT_WORD_STATE_SHIFT, LH_ENDPOINT_WORD_STATE_BITS) |
      Placed(thread.mask, LH_ENDPOINT_WORD_MASK_SHIFT,
             LH_ENDPOINT_WORD_MASK_BITS);
  lh_store_release(&region_.endpoint_word(endpoint)->word, word);
}

void KernelSide::SetMask(std::uint32_t mask, std::uint64_t cpus) {
  lh_store_release(&region_.mask(mask)->bits[0], cpus);
}

bool KernelSide::HasCommand(std::uint32_t cpu) const {
  const lh_line* const line = lh_lane_next(&cpus_[cpu].commands);
  return lh_state(lh_load_acquire(&line->header.word)) == LH_FULL;
}

bool KernelSide::TakeCommand(std::uint32_t cpu, KernelCommand* command) {
  lh_lane* const lane = &cpus_[cpu].commands;
  lh_line* const line = lh_collect_begin(lane);
  if (line == nullptr) return false;
  *command = {.kind = line->header.kind,
              .number = line->header.call,
              .epoch = line->header.code,
              .endpoint = line->header.data,
              .cpu = line->header.aux - 1u};
  lh_collect_end(lane, line);
  return true;
}

bool KernelSide::Answer(std::uint32_t cpu, std::uint64_t number,
                        std::uint64_t code) {
  lh_lane* const lane = &cpus_[cpu].answers;
  lh_line* const line = lh_put_begin(lane);
  if (line == nullptr) return false;
  line->header.call = number;
  line->header.code = code;
  line->header.kind = LH_KIND_ANSWER;
  lh_put_end(lane, line);
  return true;
}

}  // namespace lauberhorn::nic::testing
