// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The words of endpoints, and what switches and wake-ups make of them.
#include <cstddef>
#include <cstdint>

#include "tests/vm/trace/replay.h"

namespace lauberhorn::trace {
namespace {

constexpr std::uint64_t kGeneration =
    (std::uint64_t{1} << LH_ENDPOINT_WORD_GENERATION_BITS) - 1;
// The kernel's table of masks.
constexpr std::size_t kMasks = 32;

}  // namespace

// The endpoint that a thread is bound to, or nullptr.
Replay::Endpoint* Replay::EndpointOf(std::int32_t pid) {
  const auto thread = threads_.find(pid);
  if (thread == threads_.end() || thread->second.endpoint == 0) return nullptr;
  return &endpoints_[thread->second.endpoint - 1];
}

bool Replay::IsNamed(std::uint64_t endpoint) const {
  for (const Cpu& cpu : cpus_) {
    if (cpu.exported && CpuWord(cpu.word).endpoint == endpoint + 1) return true;
  }
  return false;
}

void Replay::AddEndpointWord(const lh_record& record) {
  Endpoint& endpoint = endpoints_[record.b];
  ++words_compared_;
  Check(record.word == record.a, "memory does not hold what was published");
  CheckMask(endpoint, record);
  if (endpoint.pid == 0) {
    CheckBind(endpoint, record);
  } else {
    CheckState(endpoint, record);
  }
  endpoint.word = record.a;
}

void Replay::CheckBind(Endpoint& endpoint, const lh_record& record) {
  const EndpointWord word(record.a);
  Thread& thread = threads_[record.task[0].pid];
  Check(thread.asked && thread.asked->endpoint == record.b &&
            thread.endpoint == 0,
        "an endpoint is bound, and nobody asked for it");
  Check(thread.asked &&
            word.generation == (thread.asked->generation & kGeneration),
        "a binding has another generation than was asked for");
  Check(word.thread != 0 && numbers_.insert(word.thread).second,
        "a binding has no number of its own");
  Check(word.state == LH_ENDPOINT_RUNNABLE,
        "a thread that runs is not RUNNABLE");
  endpoint = {.pid = record.task[0].pid};
  thread.endpoint = static_cast<std::uint32_t>(record.b) + 1;
}

void Replay::CheckState(Endpoint& endpoint, const lh_record& record) {
  const EndpointWord old(endpoint.word);
  const EndpointWord word(record.a);
  Check(record.a != endpoint.word,
        "the word was stored though it did not change");
  Check(record.task[0].pid == endpoint.pid && word.thread == old.thread &&
            word.generation == old.generation,
        "the word names another binding");
  Check(!endpoint.blocks, "BLOCKED was said, and the thread did not leave");
  Check(!endpoint.wakes, "RUNNABLE was said, and the thread was not woken");
  if (word.state == old.state) return;  // another mask
  CheckMaskNamed(old, record.task[0].mask & all_cpus_);
  if (word.state == LH_ENDPOINT_RUNNABLE) {
    endpoint.wakes = true;
    return;
  }
  Check(!IsNamed(record.b),
        "the word comes before the line that says who left");
  if (word.state == LH_ENDPOINT_BLOCKED) {
    endpoint.blocks = true;
  } else {
    Release(endpoint, record);
  }
}

void Replay::Release(Endpoint& endpoint, const lh_record& record) {
  const EndpointWord word(record.a);
  Thread& thread = threads_[endpoint.pid];
  if (word.state == LH_ENDPOINT_DEAD) {
    thread.ending = true;
  } else {
    Check(word.state == LH_ENDPOINT_UNBOUND, "an unknown state");
    Check(thread.unbinding, "a binding ends, and nobody asked for it");
  }
  thread.endpoint = 0;
  endpoint.pid = 0;
  // The line has said so before.
  for (Cpu& cpu : cpus_) cpu.unsettled = cpu.unsettled && !Settled(cpu);
}

// The name of a mask stands for the one that the thread has, and no other name
// does.
void Replay::CheckMask(const Endpoint& endpoint, const lh_record& record) {
  const std::uint32_t old =
      endpoint.pid == 0 ? 0 : EndpointWord(endpoint.word).mask;
  const EndpointWord word(record.a);
  const std::uint64_t cpus = record.task[0].mask & all_cpus_;
  const bool bound =
      word.state == LH_ENDPOINT_RUNNABLE || word.state == LH_ENDPOINT_BLOCKED;
  const bool named =
      word.mask != 0 && word.mask != LH_ENDPOINT_WORD_MASK_UNKNOWN;
  if (word.mask == LH_ENDPOINT_WORD_MASK_UNKNOWN) {
    std::size_t used = 0;
    for (const auto& [name, mask] : masks_) used += mask.users != 0;
    Check(used == kMasks, "a mask is UNKNOWN, and the table has room");
  }
  if (named) {
    Mask& mask = masks_[word.mask];
    if (mask.users == 0) {
      mask.cpus = cpus;
      for (const auto& [name, other] : masks_) {
        Check(name == word.mask || other.users == 0 || other.cpus != cpus,
              "a mask has two names");
      }
    }
    Check((record.mask & all_cpus_) == mask.cpus,
          "the table has another mask under this name");
    mask.users += word.mask != old;
  }
  if (bound) CheckMaskNamed(word, cpus);
  const auto before = masks_.find(old);
  if (word.mask != old && before != masks_.end()) --before->second.users;
}

void Replay::CheckMaskNamed(EndpointWord word, std::uint64_t cpus) {
  if (word.mask == LH_ENDPOINT_WORD_MASK_UNKNOWN) return;
  Check(word.mask == 0 ? cpus == all_cpus_ : cpus == masks_[word.mask].cpus,
        "the word names another mask than the thread has");
}

// What the device's memory says of a bound thread, and of one that is not.
void Replay::CheckEndpointMemory(const lh_record_task& task) {
  const auto thread = threads_.find(task.pid);
  const std::uint32_t bound =
      thread == threads_.end() ? 0 : thread->second.endpoint;
  Check(task.endpoint == bound, "a thread is bound to another endpoint");
  if (bound == 0 || task.endpoint != bound) return;
  const Endpoint& endpoint = endpoints_[bound - 1];
  Check(task.word == endpoint.word,
        "memory changed, and no word was published");
  CheckMaskNamed(EndpointWord(endpoint.word), task.mask & all_cpus_);
}

// Of a CPU of which the device is told.
void Replay::AddEndpointSwitch(const lh_record& record) {
  const lh_record_task& prev = record.task[0];
  const lh_record_task& next = record.task[1];
  if (prev.pid != 0) CheckEndpointMemory(prev);
  if (next.pid != 0) CheckEndpointMemory(next);
  if (Endpoint* endpoint = EndpointOf(prev.pid)) {
    const bool asleep = (prev.bits & LH_RECORD_TASK_ON_RQ) == 0 ||
                        (prev.bits & LH_RECORD_TASK_DELAYED) != 0;
    Check(EndpointWord(endpoint->word).state ==
              (asleep ? LH_ENDPOINT_BLOCKED : LH_ENDPOINT_RUNNABLE),
          "at a switch the endpoint's word does not say whether the thread "
          "sleeps");
    Check(endpoint->blocks == asleep, "BLOCKED was not said at the switch");
    endpoint->blocks = false;
  }
  if (const Endpoint* endpoint = EndpointOf(next.pid)) {
    Check(EndpointWord(endpoint->word).state == LH_ENDPOINT_RUNNABLE &&
              !endpoint->wakes,
          "a thread runs whose endpoint is not RUNNABLE");
  }
}

void Replay::AddEndpointWakeup(const lh_record& record) {
  const lh_record_task& woken = record.task[0];
  if ((record.bits & LH_RECORD_LOCKED) != 0) CheckEndpointMemory(woken);
  Endpoint* endpoint = EndpointOf(woken.pid);
  if (endpoint == nullptr) return;
  Check(EndpointWord(endpoint->word).state == LH_ENDPOINT_RUNNABLE,
        "a thread was woken whose endpoint is not RUNNABLE");
  endpoint->wakes = false;
}

}  // namespace lauberhorn::trace
