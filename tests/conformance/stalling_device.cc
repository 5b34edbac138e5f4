// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/stalling_device.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <random>

#include "abi/host/testing/edge_log.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"

namespace lauberhorn::conformance {
namespace {

constexpr std::uint64_t kPage = 4096;

// How long an answer of T_max stays: an answered load is done by then. Hardware
// recalls it at once, as the load has its bytes with the answer; here the
// instruction runs again.
constexpr std::int64_t kRecallAfter = 100'000;

// How often the thread looks at slots whose loads it holds.
constexpr timespec kLook = {.tv_sec = 0, .tv_nsec = 20'000};

nic::RegionOptions RegionOf(const StallingDeviceOptions& options) {
  nic::RegionOptions region;
  region.endpoints = options.embedded.endpoints;
  region.own_calls = options.embedded.calls;
  region.features =
      LH_FEATURE_NEEDS_KICK |
      (options.embedded.engine == "spin" ? 0 : LH_FEATURE_NEEDS_RING);
  region.line_stride = kPage;
  region.t_max_ns =
      static_cast<std::uint32_t>(absl::ToInt64Nanoseconds(options.t_max));
  return region;
}

absl::Status Refused(const char* what) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(errno));
  return errno == EPERM || errno == ENOSYS ? absl::PermissionDeniedError(text)
                                           : absl::ResourceExhaustedError(text);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StallingDevice>> StallingDevice::Make(
    const StallingDeviceOptions& options) {
  auto device = absl::WrapUnique(new StallingDevice(options));
  const absl::Status status = device->Start();
  if (!status.ok()) return status;
  return device;
}

StallingDevice::StallingDevice(const StallingDeviceOptions& options)
    : options_(options),
      region_options_(RegionOf(options)),
      size_((nic::Region::Size(region_options_) + kPage - 1) / kPage * kPage) {}

absl::Status StallingDevice::Map() {
  memory_ = memfd_create("lauberhorn-region", MFD_CLOEXEC);
  if (memory_ < 0 || ftruncate(memory_, static_cast<off_t>(size_)) != 0) {
    return Refused("cannot make a region");
  }
  for (std::uint8_t** view : {&nic_view_, &host_view_}) {
    void* const memory =
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, memory_, 0);
    if (memory == MAP_FAILED) return Refused("cannot map the region");
    *view = static_cast<std::uint8_t*>(memory);
  }
  return absl::OkStatus();
}

absl::Status StallingDevice::Start() {
  absl::Status status = Map();
  if (!status.ok()) return status;
  // The host's view of what the engine's is going to log.
  lh_log_view(host_view_, size_, nic_view_);
  region_ = std::make_unique<nic::Region>(
      region_options_, absl::Span<std::uint8_t>(nic_view_, size_));
  lines_ = region_->channel(0)->out.lines;
  lines_end_ = lines_ + std::uint64_t{4} * region_options_.endpoints *
                            region_options_.slots * kPage;
  // A fault of a page that is there, but not in this mapping. That asks for the
  // page to be there.
  for (std::uint64_t at = lines_; at < lines_end_; at += kPage) {
    volatile std::uint8_t* const byte = nic_view_ + at;
    *byte = *byte;
  }
  faults_ = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (faults_ < 0) return Refused("cannot handle faults");
  uffdio_api api = {};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_MINOR_SHMEM;
  if (ioctl(faults_, UFFDIO_API, &api) != 0) {
    return Refused("cannot handle faults of pages that are there");
  }
  uffdio_register range = {};
  range.range.start = reinterpret_cast<std::uintptr_t>(host_view_) + lines_;
  range.range.len = lines_end_ - lines_;
  range.mode = UFFDIO_REGISTER_MODE_MINOR;
  if (ioctl(faults_, UFFDIO_REGISTER, &range) != 0) {
    return Refused("cannot handle faults of the region");
  }
  stop_ = eventfd(0, EFD_CLOEXEC);
  if (stop_ < 0) return Refused("cannot create an eventfd");

  nic::EngineThreadOptions engine;
  engine.spin = options_.embedded.engine == "spin";
  engine.engine.calls = options_.embedded.accepted_calls;
  engine.mapped_twice = true;
  auto thread = nic::EngineThread::Start(engine, *region_);
  if (!thread.ok()) return thread.status();
  engine_ = *std::move(thread);
  attachment_ = TrustingAttachment(host_view_);
  hook_ = {
      .begin = host_view_ + lines_,
      .end = host_view_ + lines_end_,
      .written_back =
          [](void* self, const void* line) {
            auto& device = *static_cast<StallingDevice*>(self);
            const auto offset = static_cast<std::uint64_t>(
                static_cast<const std::uint8_t*>(line) - device.host_view_);
            device.totals_.written_back.fetch_add(1);
            device.Recall(offset / kPage * kPage);
          },
      .context = this};
  lh_add_write_back_hook(&hook_);
  thread_ = std::thread([this] { Run(); });
  if (options_.speculate) speculator_ = std::thread([this] { Speculate(); });
  return absl::OkStatus();
}

void StallingDevice::AnswerAll() {
  uffdio_range range = {
      .start = reinterpret_cast<std::uintptr_t>(host_view_) + lines_,
      .len = lines_end_ - lines_};
  ioctl(faults_, UFFDIO_UNREGISTER, &range);
  // The kernel does so by itself only for faults of another kind.
  ioctl(faults_, UFFDIO_WAKE, &range);
}

StallingDevice::~StallingDevice() {
  if (thread_.joinable()) {
    AnswerAll();
    ending_.store(true);
    if (speculator_.joinable()) speculator_.join();
    engine_.reset();
    const std::uint64_t one = 1;
    (void)!write(stop_, &one, sizeof(one));
    thread_.join();
    lh_remove_write_back_hook(&hook_);
  }
  for (const int file : {faults_, stop_, memory_}) {
    if (file >= 0) close(file);
  }
  if (host_view_ != nullptr) lh_log_view(host_view_, 0, nullptr);
  for (std::uint8_t* const view : {nic_view_, host_view_}) {
    if (view != nullptr) munmap(view, size_);
  }
}

void StallingDevice::Wait(std::uint32_t /*endpoint*/, __u64* word, __u64 parked,
                          std::int64_t until) {
  SleepOnWord(word, parked, until, /*shared=*/true);
}

unsigned StallingDevice::StateAt(std::uint64_t offset) const {
  return lh_state(
      lh_load_acquire(reinterpret_cast<const __u64*>(nic_view_ + offset)));
}

// Of each channel, the slots of the `out` lane come before those of the `in`
// lane.
bool StallingDevice::IsSlot(std::uint64_t offset) const {
  return (offset - lines_) / (kPage * region_options_.slots) % 2 == 1;
}

void StallingDevice::Run() {
  for (;;) {
    pollfd files[] = {{.fd = faults_, .events = POLLIN, .revents = 0},
                      {.fd = stop_, .events = POLLIN, .revents = 0}};
    if (ppoll(files, 2, pages_.empty() ? nullptr : &kLook, nullptr) < 0) {
      continue;
    }
    if (files[0].revents != 0) ReadFaults();
    LookAtPages();
    if (files[1].revents != 0) return;
  }
}

void StallingDevice::ReadFaults() {
  uffd_msg message;
  while (read(faults_, &message, sizeof(message)) ==
         static_cast<ssize_t>(sizeof(message))) {
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    const std::uint64_t offset =
        (message.arg.pagefault.address -
         reinterpret_cast<std::uintptr_t>(host_view_)) /
        kPage * kPage;
    // What the host fills is its own.
    if (!IsSlot(offset)) {
      Answer(offset);
      continue;
    }
    totals_.loads.fetch_add(1);
    // It carries no meaning: the NIC looks at what was put, and nothing else.
    engine_->Ring();
    // Another load of the same slot joins the first.
    const auto [page, is_new] =
        pages_.try_emplace(offset, Page{true, MonotonicNanos()});
    if (!is_new && !page->second.held) page->second = {true, MonotonicNanos()};
    if (is_new && StateAt(offset) == LH_FREE) totals_.stalled.fetch_add(1);
  }
}

void StallingDevice::LookAtPages() {
  const std::int64_t now = MonotonicNanos();
  for (auto page = pages_.begin(); page != pages_.end();) {
    const bool keep = page->second.held
                          ? HoldLoad(page->first, page->second, now)
                          : KeepAnswer(page->first, page->second, now);
    page = keep ? std::next(page) : pages_.erase(page);
  }
}

// A message is given with ownership: the host has the page until it writes it
// back. Both return whether there is more to do about the page.
bool StallingDevice::HoldLoad(std::uint64_t offset, Page& page,
                              std::int64_t now) {
  const unsigned state = StateAt(offset);
  const bool late = now - page.since >= region_options_.t_max_ns;
  if (state == LH_FREE && !late) return true;
  if (state == LH_FREE) totals_.timed_out.fetch_add(1);
  if (state == LH_FULL) totals_.delivered.fetch_add(1);
  page = {false, now};
  Answer(offset);
  return state != LH_FULL && state != LH_TAKEN;
}

bool StallingDevice::KeepAnswer(std::uint64_t offset, const Page& page,
                                std::int64_t now) {
  if (now - page.since < kRecallAfter) return true;
  const unsigned state = StateAt(offset);
  if (state != LH_FULL && state != LH_TAKEN) {
    Recall(offset);
    totals_.recalled.fetch_add(1);
  }
  return false;
}

void StallingDevice::Answer(std::uint64_t offset) {
  uffdio_continue page = {};
  page.range.start = reinterpret_cast<std::uintptr_t>(host_view_) + offset;
  page.range.len = kPage;
  if (ioctl(faults_, UFFDIO_CONTINUE, &page) == 0 || errno != EEXIST) return;
  // It is there: only whoever waits is to go on.
  ioctl(faults_, UFFDIO_WAKE, &page.range);
}

void StallingDevice::Recall(std::uint64_t offset) {
  madvise(host_view_ + offset, kPage, MADV_DONTNEED);
}

void StallingDevice::Speculate() {
  std::mt19937_64 random(1);
  const std::uint64_t pages = (lines_end_ - lines_) / kPage;
  while (!ending_.load()) {
    // Nearly all of a table of endpoints is unused: the first ones are not.
    const std::uint64_t near = std::min<std::uint64_t>(pages, 256);
    const std::uint64_t offset = lines_ + random() % near * kPage;
    if (!IsSlot(offset)) continue;
    totals_.speculated.fetch_add(1);
    (void)lh_load_acquire(reinterpret_cast<__u64*>(host_view_ + offset));
    usleep(200);
  }
}

}  // namespace lauberhorn::conformance

// In place of the one of librpc/embedded_device.cc, which is not linked then:
// whoever opens a runtime has this device.
namespace lauberhorn {

absl::StatusOr<std::unique_ptr<Device>> MakeEmbeddedDevice(
    const EmbeddedDeviceOptions& options) {
  conformance::StallingDeviceOptions stalling;
  stalling.embedded = options;
  auto device = conformance::StallingDevice::Make(stalling);
  if (!device.ok()) return device.status();
  return std::unique_ptr<Device>(*std::move(device));
}

}  // namespace lauberhorn
