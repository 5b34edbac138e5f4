// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What each turn does with the links that are open; how they open and end is in
// nic/local_opening.cc.
#include "nic/local_links.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lauberhorn::nic {
namespace {

// Turns without a packet after which a link is not looked at any more; turns in
// which what a peer said before its end is taken, at most.
constexpr std::uint32_t kQuietTurns = 2048;

// A system call that finds nothing costs as much as twenty looks at a link, or
// a third of a call. So who knocks or rings, and by one call with them the
// wire's socket, is looked at in every 64th turn: twenty microseconds. What
// comes there ends a sleep at once.
constexpr unsigned kEventPeriod = 64;

}  // namespace

absl::Status LocalLinks::Open() {
  Secret random;
  absl::Status status = FillSecret(&secret_);
  if (status.ok()) status = FillSecret(&random);
  if (!status.ok()) return status;
  static_assert(sizeof(name_) <= sizeof(random));
  std::memcpy(name_.data(), random.data(), sizeof(name_));
  rlimit files;
  // Four descriptors each: a quarter of all, or three.
  const rlim_t quarters = way_ == Way::kUdp ? 1 : 3;
  limit_ = getrlimit(RLIMIT_NOFILE, &files) == 0
               ? static_cast<std::size_t>(
                     std::min<rlim_t>(files.rlim_cur / 16 * quarters, 4096))
               : 0;
  room_.reset(new std::uint8_t[Wire::kBatch][LH_PACKET_MAX]);
  return events_.Open();
}

std::uint32_t LocalLinks::FindAnother(const Address& to) const {
  if (by_address_.empty()) return kNone;
  const auto found = by_address_.find(to);
  if (found == by_address_.end()) return kNone;
  found_ = to;
  return found_at_ = found->second;
}

bool LocalLinks::Put(const Address& to, absl::Span<const std::uint8_t> packet) {
  const std::uint32_t index = Find(to);
  if (index == kNone || !entries_[index].link->Put(packet)) return false;
  if (!std::exchange(entries_[index].to_ring, true)) to_ring_.push_back(index);
  return true;
}

void LocalLinks::RingAll() {
  for (const std::uint32_t index : to_ring_) {
    Entry& entry = entries_[index];
    entry.to_ring = false;
    if (entry.state == kOpen) entry.link->Ring();
  }
  to_ring_.clear();
}

void LocalLinks::ReleaseTaken() {
  for (const std::uint32_t index : taken_) entries_[index].link->Release();
  taken_.clear();
}

std::size_t LocalLinks::Receive(absl::Span<Datagram> batch) {
  Release();
  // Before anything is taken: a link may end.
  if (++since_look_ >= kEventPeriod) LookAtEvents();
  const std::size_t count = Take(batch);
  if (count > 0 || !woken_) return count;
  LookAtEvents();
  return Take(batch);
}

std::size_t LocalLinks::Take(absl::Span<Datagram> batch) {
  std::size_t count = 0;
  // From another one first in each turn, so that none is starved by others.
  if (++rotation_ >= hot_.size()) rotation_ = 0;
  std::size_t at = rotation_;
  for (std::size_t left = hot_.size(); left > 0 && count < batch.size();
       --left) {
    const std::uint32_t index = hot_[at];
    if (++at == hot_.size()) at = 0;
    Entry& entry = entries_[index];
    const bool ending = entry.state == kEnding;
    // It may have others who still say something in its name.
    const bool over = ending && entry.quiet++ == kQuietTurns;
    const std::size_t before = count;
    while (!over && count < batch.size() &&
           (entry.in_socket || !entry.link->IsQuiet())) {
      absl::Span<const std::uint8_t> packet = entry.link->Take(room_[count]);
      if (packet.empty() && entry.in_socket) {
        packet = TakeFromSocket(entry, room_[count]);
      }
      if (packet.empty()) break;
      // Each to its place: a wide load of what was just written would wait.
      Datagram& datagram = batch[count++];
      datagram.bytes = packet;
      datagram.from = entry.peer;
      datagram.checksum = Checksum::kNone;
    }
    if (count > before) {
      taken_.push_back(index);
      if (!ending) entry.quiet = 0;
    } else if (ending || ++entry.quiet > kQuietTurns || entry.link->broken()) {
      quiet_.push_back(index);
    }
  }
  if (!quiet_.empty()) OnQuiet();
  return count;
}

bool LocalLinks::AreQuiet() const {
  if (hot_.empty() || !ended_.empty() || woken_) return false;
  return std::all_of(hot_.begin(), hot_.end(), [this](std::uint32_t index) {
    const Entry& entry = entries_[index];
    return entry.state == kOpen && !entry.in_socket && entry.link->IsQuiet();
  });
}

absl::Span<const std::uint8_t> LocalLinks::TakeFromSocket(Entry& entry,
                                                          std::uint8_t* room) {
  const std::size_t size = TakePacket(entry.link->socket(), room);
  entry.in_socket = size > 0;
  return {room, size};
}

void LocalLinks::OnQuiet() {
  for (const std::uint32_t index : quiet_) OnQuiet(index);
  quiet_.clear();
}

void LocalLinks::OnQuiet(std::uint32_t index) {
  Entry& entry = entries_[index];
  const bool broken = entry.link->broken();
  if (entry.state == kEnding || broken) {
    // By UDP one that broke the contract is still reached.
    if (!broken || way_ == Way::kSocket) ended_.push_back(entry.peer);
    return Drop(index);
  }
  entry.quiet = 0;
  if (entry.link->Sleep()) Cool(index);
}

bool LocalLinks::Sleep() {
  if (woken_) return false;
  const auto sleeps = [&](std::uint32_t index) {
    Entry& entry = entries_[index];
    return entry.state == kOpen && entry.link->Sleep();
  };
  std::size_t asleep = 0;
  while (asleep < hot_.size() && sleeps(hot_[asleep])) ++asleep;
  if (asleep < hot_.size() || !ended_.empty()) {
    while (asleep > 0) entries_[hot_[--asleep]].link->Awake();
    return false;
  }
  asleep_ = true;
  return true;
}

void LocalLinks::Awake() {
  woken_ = true;
  asleep_ = false;
  for (const std::uint32_t index : hot_) entries_[index].link->Awake();
}

absl::Span<const Address> LocalLinks::TellGone() {
  told_.swap(ended_);
  ended_.clear();
  return told_;
}

void LocalLinks::Heat(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.quiet = 0;
  if (std::exchange(entry.hot, true)) return;
  hot_.push_back(index);
  // One that opens for a packet which is sent while others sleep: nothing can
  // have come there yet.
  if (!asleep_ || !entry.link->Sleep()) entry.link->Awake();
}

void LocalLinks::Cool(std::uint32_t index) {
  if (!std::exchange(entries_[index].hot, false)) return;
  hot_.erase(std::find(hot_.begin(), hot_.end(), index));
}

}  // namespace lauberhorn::nic
