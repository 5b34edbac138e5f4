// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/local_link.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/config.h"
#include "absl/memory/memory.h"
#include "nic/local_socket.h"

// The edges that the peer takes are in no log of this process.
#undef LH_ON_EDGE
#define LH_ON_EDGE(edge, address, old, new) ((void)0)
#include "abi/host/channel_user.h"

#ifdef ABSL_HAVE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace lauberhorn::nic {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

static_assert(LH_LINK_LANE(2) <= LH_LINK_SIZE);
static_assert(sizeof(lh_message) + LH_LINK_PART <= LH_LINK_STRIDE);
static_assert(LH_LINK_STRIDE % LH_LINE_SIZE == 0);

constexpr std::size_t PartsOf(std::size_t size) {
  return (size + LH_LINK_PART - 1) / LH_LINK_PART;
}

lh_lane LaneAt(std::uint8_t* base, std::size_t number) {
  lh_lane lane = {};
  lane.lines = base + LH_LINK_LANE(number);
  lane.line_stride = LH_LINK_STRIDE;
  lane.slots = LH_LINK_SLOTS;
  return lane;
}

__u64* AsleepAt(std::uint8_t* base, std::size_t number) {
  return &reinterpret_cast<lh_link_taker*>(base + LH_LINK_TAKER(number))
              ->asleep;
}

// The peer may change it at any time.
std::size_t LengthOf(const lh_line* line) {
  return *const_cast<const volatile __u32*>(&line->header.length);
}

// What an eventfd is, as far as a descriptor tells: no file, directory, pipe or
// socket has no type, and a write to it never blocks.
bool IsBell(const Descriptor& bell) {
  struct stat found;
  return fstat(bell.get(), &found) == 0 && (found.st_mode & S_IFMT) == 0 &&
         (fcntl(bell.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK)) ==
             (O_RDWR | O_NONBLOCK);
}

// As much as most packets need.
constexpr std::size_t kUsualSize = 3 * 64;

// The peer gave the slot back long ago, so its lines are in the peer's cache,
// or nowhere: they come while other work is done.
void FetchToWrite(lh_line* line) {
  auto* const bytes = reinterpret_cast<std::uint8_t*>(line);
  for (std::size_t at = 0; at < kUsualSize; at += 64) {
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(bytes[at]));
#else
    __builtin_prefetch(bytes + at, 1);
#endif
  }
}

// Both ends may be in one process, each with a mapping of its own: then
// ThreadSanitizer cannot tell that one loads what the other has stored, and
// what was done before a packet was given from what is done after it was taken.
// One place stands for all links.
#ifdef ABSL_HAVE_THREAD_SANITIZER
char given;
void SayGiven() { __tsan_release(&given); }
void SayTaken() { __tsan_acquire(&given); }
#else
void SayGiven() {}
void SayTaken() {}
#endif

// Behind the message, and beyond the line.
std::uint8_t* PacketOf(lh_line* line) {
  return reinterpret_cast<std::uint8_t*>(line) + sizeof(lh_message);
}

}  // namespace

std::unique_ptr<LinkMemory> LinkMemory::Make(Descriptor* file) {
  *file = Descriptor(
      memfd_create("lauberhorn-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file->ok() || ftruncate(file->get(), LH_LINK_SIZE) != 0 ||
      fcntl(file->get(), F_ADD_SEALS, kSeals) != 0) {
    return nullptr;
  }
  return Map(*file);
}

std::unique_ptr<LinkMemory> LinkMemory::Adopt(const Descriptor& file) {
  // Only memory has seals; sealed, its size stays what it is.
  const int seals = fcntl(file.get(), F_GET_SEALS);
  struct stat found;
  if (seals < 0 || (seals & kSeals) != kSeals ||
      fstat(file.get(), &found) != 0 || found.st_size != LH_LINK_SIZE) {
    return nullptr;
  }
  return Map(file);
}

std::unique_ptr<LinkMemory> LinkMemory::Map(const Descriptor& file) {
  void* const base = mmap(nullptr, LH_LINK_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return nullptr;
  // A child that wrote here would be a second peer.
  if (madvise(base, LH_LINK_SIZE, MADV_DONTFORK) != 0) {
    munmap(base, LH_LINK_SIZE);
    return nullptr;
  }
  return absl::WrapUnique(new LinkMemory(static_cast<std::uint8_t*>(base)));
}

LinkMemory::~LinkMemory() { munmap(base_, LH_LINK_SIZE); }

LinkBells LinkBells::Make() {
  const auto make = [] {
    return Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  };
  return {make(), make()};
}

bool LinkBells::ok() const { return IsBell(mine) && IsBell(peers); }

struct LocalLink::Lanes {
  lh_lane out;
  __u64* peer_asleep;
  lh_lane in;    // what was given back
  lh_lane next;  // what was taken: ahead of `in`
  __u64* asleep;
  std::uint32_t taken = 0;  // between the two
};

LocalLink::LocalLink(std::unique_ptr<LinkMemory> memory, Descriptor socket,
                     End end, bool trusted, LinkBells bells)
    : memory_(std::move(memory)),
      socket_(std::move(socket)),
      bells_(std::move(bells)),
      trusted_(trusted),
      lanes_(absl::make_unique<Lanes>()) {
  const std::size_t in =
      end == End::kServer ? LH_LINK_TO_SERVER : LH_LINK_TO_CLIENT;
  lanes_->out = LaneAt(memory_->base(), 1 - in);
  lanes_->peer_asleep = AsleepAt(memory_->base(), 1 - in);
  lanes_->in = lanes_->next = LaneAt(memory_->base(), in);
  lanes_->asleep = AsleepAt(memory_->base(), in);
  next_ = &lh_lane_next(&lanes_->next)->header.word;
}

LocalLink::~LocalLink() = default;

bool LocalLink::Put(absl::Span<const std::uint8_t> packet) {
  SayGiven();
  if (packet.size() > LH_LINK_PART) return PutInParts(packet);
  lh_line* const line = lh_put_begin(&lanes_->out);
  if (line == nullptr) return false;
  if (!packet.empty()) {
    std::memcpy(PacketOf(line), packet.data(), packet.size());
  }
  line->header.length = static_cast<std::uint32_t>(packet.size());
  lh_put_end(&lanes_->out, line);
  FetchToWrite(lh_lane_next(&lanes_->out));
  return true;
}

bool LocalLink::PutInParts(absl::Span<const std::uint8_t> packet) {
  lh_lane places[PartsOf(LH_PACKET_MAX)];
  const std::size_t parts = PartsOf(packet.size());
  if (parts > PartsOf(LH_PACKET_MAX)) return false;
  lh_lane place = lanes_->out;
  for (std::size_t part = 0; part < parts; ++part) {
    if (lh_put_begin(&place) == nullptr) return false;
    places[part] = place;
    lh_lane_advance(&place);
  }
  for (std::size_t part = parts; part-- > 0;) {
    const absl::Span<const std::uint8_t> rest =
        packet.subspan(part * LH_LINK_PART);
    lh_line* const line = lh_lane_next(&places[part]);
    std::memcpy(PacketOf(line), rest.data(),
                std::min<std::size_t>(rest.size(), LH_LINK_PART));
    line->header.length = static_cast<std::uint32_t>(rest.size());
    lh_put_end(&places[part], line);
  }
  lanes_->out = place;
  return true;
}

void LocalLink::Ring() {
  lh_light_fence(/*asymmetric=*/0);
  const __u64 asleep = lh_load_acquire(lanes_->peer_asleep);
  if (asleep == LH_LINK_AWAKE ||
      !lh_cas64(lanes_->peer_asleep, asleep, LH_LINK_AWAKE)) {
    return;
  }
  if (asleep == LH_LINK_ASLEEP_AT_EVENT && bells_.peers.ok()) {
    const std::uint64_t one = 1;
    // Only the peer could have filled it, and is not woken then.
    (void)!write(bells_.peers.get(), &one, sizeof(one));
    return;
  }
  // If there is no room for it, there are bells that nobody has taken yet.
  const std::uint8_t bell = 0;
  (void)SendMessage(socket_.get(), absl::MakeConstSpan(&bell, 1));
}

absl::Span<const std::uint8_t> LocalLink::Take(std::uint8_t* room) {
  // All slots are taken: the next would be the first of them.
  if (broken_ || lanes_->taken == LH_LINK_SLOTS) return {};
  lh_line* const line = lh_collect_begin(&lanes_->next);
  if (line == nullptr) return {};
  SayTaken();
  __builtin_prefetch(reinterpret_cast<std::uint8_t*>(line) + LH_LINE_SIZE);
  const std::size_t size = LengthOf(line);
  if (size == 0 || size > LH_PACKET_MAX) return Break();
  if (size > LH_LINK_PART) return TakeInParts(size, room);
  const std::uint8_t* packet = PacketOf(line);
  if (!trusted_) {
    std::memcpy(room, packet, size);
    packet = room;
  }
  Advance();
  return {packet, size};
}

void LocalLink::Advance() {
  lh_lane_advance(&lanes_->next);
  next_ = &lh_lane_next(&lanes_->next)->header.word;
  ++lanes_->taken;
}

absl::Span<const std::uint8_t> LocalLink::TakeInParts(std::size_t size,
                                                      std::uint8_t* room) {
  if (lanes_->taken + PartsOf(size) > LH_LINK_SLOTS) return Break();
  for (std::size_t at = 0; at < size; at += LH_LINK_PART) {
    lh_line* const line = lh_collect_begin(&lanes_->next);
    const std::size_t rest = size - at;
    if (line == nullptr || (at > 0 && LengthOf(line) != rest)) return Break();
    std::memcpy(room + at, PacketOf(line),
                std::min<std::size_t>(rest, LH_LINK_PART));
    Advance();
  }
  return {room, size};
}

absl::Span<const std::uint8_t> LocalLink::Break() {
  broken_ = true;
  return {};
}

void LocalLink::Release() {
  for (; lanes_->taken > 0; --lanes_->taken) {
    lh_collect_end(&lanes_->in, lh_lane_next(&lanes_->in));
  }
}

bool LocalLink::Sleep() {
  lh_store_release(lanes_->asleep, bells_.mine.ok()
                                       ? __u64{LH_LINK_ASLEEP_AT_EVENT}
                                       : __u64{LH_LINK_ASLEEP});
  lh_light_fence(/*asymmetric=*/0);
  if (lh_collect_begin(&lanes_->next) == nullptr) return true;
  Awake();
  return false;
}

void LocalLink::Awake() {
  lh_store_release(lanes_->asleep, __u64{LH_LINK_AWAKE});
}

bool LocalLink::TakeBells() { return nic::TakeBells(socket_.get()); }

}  // namespace lauberhorn::nic
