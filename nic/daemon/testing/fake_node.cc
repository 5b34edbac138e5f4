// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/testing/fake_node.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "abi/host/cpu.h"
#include "abi/host/region.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon::testing {
namespace {

std::uint8_t* MapFile(int file, std::uint64_t size) {
  void* const at =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  EXPECT_NE(at, MAP_FAILED);
  return static_cast<std::uint8_t*>(at);
}

}  // namespace

FakeNode::Memory::Memory(std::uint64_t bytes)
    : file(memfd_create("part", MFD_CLOEXEC)),
      size(bytes),
      base(ftruncate(file, static_cast<off_t>(bytes)) == 0
               ? MapFile(file, bytes)
               : nullptr) {
  EXPECT_NE(base, nullptr);
}

FakeNode::Memory::~Memory() {
  munmap(base, size);
  close(file);
}

FakeNode::FakeNode(const FakeNodeOptions& options)
    : options_(options), news_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

FakeNode::~FakeNode() {
  EXPECT_EQ(mappings_, 0) << "the NIC left a part mapped";
  close(news_);
}

// Of the NIC.

int FakeNode::Attach(lh_nic_attach* attach) {
  if (options_.attach_error != 0) return options_.attach_error;
  kernel_ = std::make_unique<Memory>(attach->device_size);
  attach->epoch = options_.epoch;
  attach->features = options_.features;
  const bool publishes = (options_.features & LH_DEVICE_STATE_WORDS) != 0;
  attach->cpus = publishes ? 2 : 0;
  attach->cpu_masks = publishes ? 32 : 0;
  attached_ = *attach;
  auto* const info = reinterpret_cast<lh_info*>(kernel_->base);
  info->driver_epoch = options_.epoch;
  info->request = LH_REQUEST_RESET;
  return 0;
}

int FakeNode::Start(lh_nic_start* start) {
  if (options_.start_error != 0) return options_.start_error;
  const auto* const info = reinterpret_cast<const lh_info*>(kernel_->base);
  // As the module looks at it.
  if (info->magic != LH_MAGIC || info->status != LH_STATUS_READY ||
      info->device_epoch != options_.epoch) {
    return EINVAL;
  }
  start->features = info->cpus > 0 ? options_.features : 0;
  started_ = true;
  return 0;
}

int FakeNode::Read(absl::Span<lh_nic_event> events, std::size_t* count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  *count = 0;
  if (rung_ && !events.empty()) {
    events[*count] = {};
    events[(*count)++].kind = LH_NIC_EVENT_RING;
    rung_ = false;
  }
  while (*count < events.size() && !changed_.empty()) {
    const std::uint32_t number = changed_.front();
    changed_.pop_front();
    Place& place = places_[number];
    if (place.state != kAsks && place.state != kLeft) continue;
    place.told = true;
    events[(*count)++] = EventOf(
        number, place.state == kAsks ? LH_NIC_EVENT_ATTACH : LH_NIC_EVENT_LEFT);
  }
  if (changed_.empty()) {
    eventfd_t value;
    static_cast<void>(eventfd_read(news_, &value));
  }
  return *count == 0 ? EAGAIN : 0;
}

lh_nic_event FakeNode::EventOf(std::uint32_t number,
                               lh_nic_event_kind kind) const {
  const Place& place = places_.at(number);
  lh_nic_event event = {};
  event.kind = kind;
  event.process = number;
  event.generation = place.generation;
  event.offset = attached_.device_size + number * attached_.part_size;
  event.size = attached_.part_size;
  event.first_endpoint = number * attached_.endpoints;
  event.endpoints = attached_.endpoints;
  event.pid = static_cast<__u32>(place.who.pid);
  event.uid = place.who.uid;
  event.gid = place.who.uid;
  event.network = place.who.network;
  return event;
}

int FakeNode::Map(std::uint64_t offset, std::uint64_t size,
                  std::uint8_t** base) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  const Memory* memory = kernel_.get();
  if (offset != 0) {
    const std::uint64_t number =
        (offset - attached_.device_size) / attached_.part_size;
    const auto place = places_.find(static_cast<std::uint32_t>(number));
    if (place == places_.end()) return EINVAL;
    memory = place->second.memory.get();
  }
  if (memory == nullptr || size > memory->size) return EINVAL;
  *base = MapFile(memory->file, size);
  ++mappings_;
  return 0;
}

void FakeNode::Unmap(std::uint8_t* base, std::uint64_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  munmap(base, size);
  --mappings_;
}

FakeNode::Place* FakeNode::Find(std::uint32_t number,
                                std::uint32_t generation) {
  const auto place = places_.find(number);
  return place != places_.end() && place->second.generation == generation &&
                 place->second.told
             ? &place->second
             : nullptr;
}

int FakeNode::Answer(const lh_nic_answer& answer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  Place* const place = Find(answer.process, answer.generation);
  if (place == nullptr) return ENOENT;
  if (std::exchange(leave_before_answer_, false)) LeaveLocked(answer.process);
  if (place->state == kLeft) return ENOTCONN;
  if (place->state != kAsks) return EALREADY;
  place->answer = static_cast<int>(answer.error);
  place->state = answer.error == 0 ? kAttached : kEnded;
  return 0;
}

int FakeNode::End(const lh_nic_end& end) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  Place* const place = Find(end.process, end.generation);
  if (place == nullptr || place->state == kEnded) return ENOENT;
  if (place->state != kLeft) return EBUSY;
  place->state = kEnded;
  return 0;
}

int FakeNode::Wake(lh_nic_wake* wake) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  wakes_.push_back(*wake);
  wake->answer = LH_ANSWER_DONE;
  return 0;
}

int FakeNode::Interrupt(std::uint32_t cpu) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (gone_) return ENODEV;
  interrupts_.push_back(cpu);
  return 0;
}

// Of the test.

void FakeNode::Say() { EXPECT_EQ(eventfd_write(news_, 1), 0); }

std::uint32_t FakeNode::Open(const Who& who) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::uint32_t number = 0;
  while (places_[number].state != kEnded) ++number;
  EXPECT_LT(number, attached_.processes);
  Place& place = places_[number];
  place.memory = std::make_unique<Memory>(attached_.part_size);
  place.who = who;
  ++place.generation;
  place.state = kAsks;
  place.told = false;
  place.answer.reset();
  changed_.push_back(number);
  Say();
  return number;
}

std::optional<int> FakeNode::AnswerOf(std::uint32_t place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return places_[place].answer;
}

std::uint32_t FakeNode::GenerationOf(std::uint32_t place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return places_[place].generation;
}

absl::Span<std::uint8_t> FakeNode::Part(std::uint32_t place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Memory& memory = *places_[place].memory;
  return {memory.base, static_cast<std::size_t>(memory.size)};
}

absl::Span<std::uint8_t> FakeNode::KernelPart() {
  return {kernel_->base, static_cast<std::size_t>(kernel_->size)};
}

void FakeNode::Leave(std::uint32_t number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  LeaveLocked(number);
}

void FakeNode::LeaveBeforeAnswer() {
  const std::lock_guard<std::mutex> lock(mutex_);
  leave_before_answer_ = true;
}

void FakeNode::LeaveLocked(std::uint32_t number) {
  Place& place = places_[number];
  // One of which the NIC was not told goes without a word.
  place.state = place.told ? kLeft : kEnded;
  changed_.push_back(number);
  Say();
}

bool FakeNode::IsEnded(std::uint32_t place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return places_[place].state == kEnded;
}

void FakeNode::Ring() {
  const std::lock_guard<std::mutex> lock(mutex_);
  rung_ = true;
  Say();
}

void FakeNode::Unbind() {
  const std::lock_guard<std::mutex> lock(mutex_);
  gone_ = true;
  Say();
}

std::vector<lh_nic_wake> FakeNode::wakes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return wakes_;
}

std::vector<std::uint32_t> FakeNode::interrupts() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return interrupts_;
}

int FakeNode::mappings() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return mappings_;
}

}  // namespace lauberhorn::nic::daemon::testing
