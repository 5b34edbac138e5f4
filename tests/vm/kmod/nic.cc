// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/nic.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace lauberhorn::kmod {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kSlots = 4;  // of a kernel channel's lanes
constexpr std::chrono::seconds kPatience(20);

std::uint64_t RoundUp(std::uint64_t size) {
  return (size + kPage - 1) / kPage * kPage;
}

}  // namespace

bool Eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    sched_yield();
  }
  return true;
}

nic::RegionOptions PartOptions(const NicOptions& options) {
  nic::RegionOptions part;
  part.endpoints = options.endpoints;
  part.slots = 2;
  part.arrived_calls = 16;
  part.own_calls = 16;
  part.features = LH_FEATURE_NEEDS_RING | LH_FEATURE_CHECK_CODE;
  return part;
}

Nic::Nic(const NicOptions& options)
    : options_(options),
      file_(open(options.node, O_RDWR | O_CLOEXEC | O_NONBLOCK)) {
  if (file_ >= 0) return;
  std::perror(options.node);
  std::_Exit(2);
}

Nic::~Nic() { Close(); }

void Nic::Close() {
  for (const Part& part : parts_) munmap(part.base, part.event.size);
  parts_.clear();
  if (base_ != nullptr) munmap(base_, attached_.device_size);
  base_ = nullptr;
  if (file_ >= 0) close(file_);
  file_ = -1;
}

std::unique_ptr<Nic> Nic::Started(const NicOptions& options) {
  auto nic = std::make_unique<Nic>(options);
  EXPECT_EQ(nic->Attach(), 0);
  nic->LayOut();
  EXPECT_EQ(nic->Start(), 0);
  return nic;
}

lh_nic_attach Nic::Geometry() const {
  lh_nic_attach attach = {};
  attach.device_size = 64 * kPage;
  attach.part_size = std::max(RoundUp(nic::Region::Size(PartOptions(options_))),
                              options_.part_size);
  attach.processes = options_.processes;
  attach.endpoints = options_.endpoints;
  return attach;
}

int Nic::Attach() {
  lh_nic_attach attach = Geometry();
  return Attach(&attach);
}

int Nic::Attach(lh_nic_attach* attach) {
  const int error = Call(file_, LH_NIC_ATTACH, attach);
  if (error != 0) return error;
  attached_ = *attach;
  void* const base = mmap(nullptr, attached_.device_size,
                          PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (base == MAP_FAILED) return errno;
  base_ = static_cast<std::uint8_t*>(base);
  return 0;
}

void Nic::LayOut() {
  nic::KernelRegionOptions kernel;
  kernel.cpus = options_.scheduler ? attached_.cpus : 0;
  kernel.endpoints = options_.processes * options_.endpoints;
  kernel.masks = attached_.cpu_masks;
  kernel.slots = kSlots;
  ASSERT_LE(sizeof(lh_info) + nic::KernelRegion::Size(kernel),
            attached_.device_size);
  region_ = std::make_unique<nic::KernelRegion>(kernel, base_, sizeof(lh_info));
  lh_info* const page = info();
  page->version_major = LH_VERSION_MAJOR;
  page->version_minor = LH_VERSION_MINOR;
  page->features = LH_FEATURE_NEEDS_RING;
  page->region_size = attached_.device_size;
  page->slots = kernel.slots;
  page->line_stride = kernel.line_stride;
  page->overflow_size = kernel.overflow_size;
  region_->Describe(page);
  for (std::uint32_t cpu = 0; cpu < kernel.cpus; ++cpu) {
    channels_.emplace_back(region_->OutLane(cpu), region_->InLane(cpu));
  }
  page->device_epoch = attached_.epoch;
  page->status = LH_STATUS_READY;
  lh_store_release(&page->magic, LH_MAGIC);
}

int Nic::Start() {
  lh_nic_start start = {};
  const int error = Call(file_, LH_NIC_START, &start);
  if (error == 0) features_ = start.features;
  return error;
}

lh_endpoint_state Nic::State(std::uint32_t endpoint) const {
  const __u64 word = lh_load_acquire(&region_->endpoint_word(endpoint)->word);
  return static_cast<lh_endpoint_state>(
      word >> LH_ENDPOINT_WORD_STATE_SHIFT &
      ((1U << LH_ENDPOINT_WORD_STATE_BITS) - 1));
}

bool Nic::Becomes(std::uint32_t endpoint, lh_endpoint_state state) const {
  return Eventually([&] { return State(endpoint) == state; });
}

std::optional<lh_nic_event> Nic::Next() {
  // What poll() saw may have gone by the time that it is read.
  lh_nic_event event;
  const auto reads = [&] {
    pollfd wait = {file_, POLLIN, 0};
    return poll(&wait, 1, 1) == 1 &&
           read(file_, &event, sizeof(event)) == sizeof(event);
  };
  if (!Eventually(reads)) return std::nullopt;
  return event;
}

lh_nic_event Nic::Next(lh_nic_event_kind kind) {
  const std::optional<lh_nic_event> event = Next();
  EXPECT_TRUE(event.has_value());
  if (!event.has_value()) return {};
  EXPECT_EQ(event->kind, kind);
  return *event;
}

bool Nic::Quiet() const {
  pollfd wait = {file_, POLLIN, 0};
  return poll(&wait, 1, 0) == 0;
}

Part Nic::Accept(const lh_nic_event& event) {
  Part part;
  part.event = event;
  void* const base = mmap(nullptr, event.size, PROT_READ | PROT_WRITE,
                          MAP_SHARED, file_, static_cast<off_t>(event.offset));
  EXPECT_NE(base, MAP_FAILED);
  if (base == MAP_FAILED) return part;
  part.base = static_cast<std::uint8_t*>(base);
  Part mapped;
  mapped.event = event;
  mapped.base = part.base;
  parts_.push_back(std::move(mapped));
  part.region = std::make_unique<nic::Region>(
      PartOptions(options_), absl::MakeSpan(part.base, event.size));
  part.region->Ready();
  EXPECT_EQ(Answer(event.process, event.generation, 0), 0);
  return part;
}

int Nic::Answer(std::uint32_t process, std::uint32_t generation,
                std::uint32_t error) const {
  lh_nic_answer answer = {process, generation, error, 0};
  return Call(file_, LH_NIC_ANSWER, &answer);
}

int Nic::End(std::uint32_t process, std::uint32_t generation) const {
  lh_nic_end end = {process, generation};
  return Call(file_, LH_NIC_END, &end);
}

void Nic::Forget(const lh_nic_event& event) {
  std::erase_if(parts_, [&](const Part& part) {
    if (part.event.process != event.process ||
        part.event.generation != event.generation) {
      return false;
    }
    munmap(part.base, part.event.size);
    return true;
  });
}

int Nic::Wake(lh_nic_wake* wake) const {
  return Call(file_, LH_NIC_WAKE, wake);
}

std::optional<lh_kernel_answer> Nic::Wake(const Part& part,
                                          std::uint32_t endpoint) const {
  lh_nic_wake wake = {};
  wake.endpoint = part.event.first_endpoint + endpoint;
  wake.generation = part.event.generation;
  if (Wake(&wake) != 0) return std::nullopt;
  return static_cast<lh_kernel_answer>(wake.answer);
}

nic::KernelCommand Nic::Run(const Part& part, std::uint32_t endpoint) const {
  nic::KernelCommand command = {};
  command.kind = LH_KIND_RUN;
  command.number = 77;
  command.epoch = attached_.epoch;
  command.endpoint =
      lh_handle(part.event.first_endpoint + endpoint, part.event.generation);
  command.cpu = kAnyCpu;
  return command;
}

void Nic::Command(std::uint32_t cpu, const nic::KernelCommand& command) {
  ASSERT_TRUE(channels_[cpu].Put(command));
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const __u64 state = lh_load_acquire(&region_->cpu(cpu)->state.word);
  const __u64 mode =
      state >> LH_CPU_MODE_SHIFT & ((1U << LH_CPU_MODE_BITS) - 1);
  if (mode != LH_CPU_IDLE_WAIT) {
    EXPECT_EQ(Interrupt(cpu), 0);
  }
}

int Nic::Interrupt(std::uint32_t cpu) const {
  lh_nic_interrupt interrupt = {cpu, 0};
  return Call(file_, LH_NIC_INTERRUPT, &interrupt);
}

bool Nic::HasRoom(std::uint32_t cpu) const { return channels_[cpu].HasRoom(); }

std::optional<nic::KernelAnswer> Nic::AnswerNow(std::uint32_t cpu) {
  nic::KernelAnswer answer;
  if (!channels_[cpu].Collect(&answer)) return std::nullopt;
  return answer;
}

std::optional<nic::KernelAnswer> Nic::CommandAnswer(std::uint32_t cpu) {
  std::optional<nic::KernelAnswer> answer;
  static_cast<void>(Eventually([&] {
    answer = AnswerNow(cpu);
    return answer.has_value();
  }));
  return answer;
}

}  // namespace lauberhorn::kmod
