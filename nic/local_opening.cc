// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// How links to other NICs on this host open and end: abi/wire/local.h. What
// differs where sockets have names is in nic/socket_opening.cc.
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "nic/local_links.h"
#include "nic/this_host.h"

namespace lauberhorn::nic {
namespace {

// How long a client may take from the door's name to its knock, in seconds.
constexpr std::uint64_t kDoorLife = 10;
// Connections that have not knocked yet; the oldest makes room.
constexpr std::size_t kMaxAccepted = 16;
// Questions that are remembered; the oldest makes room.
constexpr std::size_t kMaxQuestions = 64;
// Connections and events of one look.
constexpr int kMaxAccepts = 16;

// The tag of an event in the poll set: an entry, its generation, and which of
// its descriptors, or LocalLinks::kDoorTag,
// or kOtherTag.
constexpr std::uint64_t kOtherTag = ~std::uint64_t{1};
constexpr std::uint64_t kSocketTag = 0;
constexpr std::uint64_t kProcessTag = std::uint64_t{1} << 62;
constexpr std::uint64_t kBellTag = std::uint64_t{2} << 62;
constexpr std::uint64_t kWhatMask = std::uint64_t{3} << 62;
constexpr std::uint64_t kIndexMask = 0xffff'ffff;
constexpr std::uint32_t kGenerationMask = 0x3fff'ffff;

// All users without a name in a user namespace are this one there.
constexpr uid_t kNobody = 65'534;

bool IsThisUser(uid_t user) { return user == geteuid() && user != kNobody; }

std::uint64_t TagOf(std::uint32_t index, std::uint32_t generation) {
  return std::uint64_t{generation & kGenerationMask} << 32 | index;
}

std::uint64_t Seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec);
}

template <typename Message>
absl::Span<std::uint8_t> BytesOf(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof(message)};
}
template <typename Message>
absl::Span<const std::uint8_t> BytesOf(const Message& message) {
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof(message)};
}

bool ParseDoor(const Packet& packet, lh_door* door) {
  if (packet.payload.size() != sizeof(*door)) return false;
  std::memcpy(door, packet.payload.data(), sizeof(*door));
  return true;
}

}  // namespace

std::optional<LocalLinks::DoorMessage> LocalLinks::Ask(const Address& to) {
  if (Has(to) || IsKnockedAt(to) || !IsOfThisHost(to)) return std::nullopt;
  Question question{to, 0};
  if (getrandom(&question.number, sizeof(question.number), GRND_NONBLOCK) !=
      sizeof(question.number)) {
    return std::nullopt;
  }
  const auto asked =
      std::find_if(questions_.begin(), questions_.end(),
                   [&](const Question& other) { return other.to == to; });
  if (asked != questions_.end()) {
    *asked = question;
  } else if (questions_.size() < kMaxQuestions) {
    questions_.push_back(question);
  } else {
    questions_[next_question_++ % kMaxQuestions] = question;
  }
  return DoorMessage{LH_PACKET_LOCAL, question.number, {}};
}

bool LocalLinks::IsKnockedAt(const Address& to) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.state == kKnocked && entry.peer == to;
  });
}

std::optional<LocalLinks::DoorMessage> LocalLinks::OnAsk(const Packet& packet,
                                                         const Address& from) {
  lh_door door = {};
  if (packet.payload.size() != sizeof(door) || !IsOfThisHost(from)) {
    return std::nullopt;
  }
  if (!door_.ok()) {
    Descriptor listener = ListenAtDoor(name_);
    if (!listener.ok() || !events_.Add(listener.get(), kDoorTag).ok()) {
      return std::nullopt;
    }
    door_ = std::move(listener);
  }
  std::memcpy(door.name, name_.data(), name_.size());
  door.from = from.raw();
  door.time = Seconds();
  door.cookie = Cookie(door.from, door.time);
  return DoorMessage{LH_PACKET_DOOR, packet.header.ack_bits, door};
}

std::uint64_t LocalLinks::Cookie(const lh_address& from,
                                 std::uint64_t time) const {
  std::uint64_t words[3];
  static_assert(sizeof(words) == sizeof(from));
  std::memcpy(words, &from, sizeof(words));
  return KeyedHash(secret_, {kHashOfDoor, words[0], words[1], words[2], time});
}

void LocalLinks::OnDoor(const Packet& packet, const Address& from) {
  lh_door door;
  const auto asked = std::find_if(
      questions_.begin(), questions_.end(), [&](const Question& question) {
        return question.to == from && question.number == packet.header.ack_bits;
      });
  if (asked == questions_.end() || !ParseDoor(packet, &door)) return;
  questions_.erase(asked);
  DoorName name;
  std::memcpy(name.data(), door.name, name.size());
  Descriptor socket = ConnectToDoor(name);
  if (!socket.ok()) return;
  const std::uint32_t index = Add(std::move(socket), kKnocked);
  if (index == kNone) return;
  Entry& entry = entries_[index];
  entry.peer = from;
  const lh_knock knock = {.version = LH_LINK_VERSION,
                          .size = LH_LINK_SIZE,
                          .from = door.from,
                          .to = from.raw(),
                          .time = door.time,
                          .cookie = door.cookie};
  if (!SendKnock(entry, knock)) Drop(index);
}

bool LocalLinks::SendKnock(Entry& entry, const lh_knock& knock) {
  Descriptor file;
  entry.memory = LinkMemory::Make(&file);
  if (entry.memory == nullptr) return false;
  if (IsThisUser(entry.user)) entry.bells = LinkBells::Make();
  const int brings[] = {file.get(), entry.bells.peers.get(),
                        entry.bells.mine.get()};
  return SendMessage(entry.socket.get(), BytesOf(knock),
                     {brings, entry.bells.ok() ? std::size_t{3} : 1});
}

void LocalLinks::LookAtEvents() {
  since_look_ = 0;
  const absl::Span<const std::uint64_t> tags = events_.Wait(0, 0);
  woken_ = false;
  other_ready_ = !other_is_watched_;
  for (const std::uint64_t tag : tags) {
    if (tag == kDoorTag) {
      Accept();
      continue;
    }
    if (tag == kOtherTag) {
      other_ready_ = true;
      continue;
    }
    const auto index = static_cast<std::uint32_t>(tag & kIndexMask);
    // One that was dropped by an event before this one.
    if ((tag & ~kWhatMask) != TagOf(index, entries_[index].generation) ||
        entries_[index].state == kFree) {
      continue;
    }
    OnEvent(index, tag & kWhatMask);
  }
}

void LocalLinks::Accept() {
  for (int count = 0; count < kMaxAccepts; ++count) {
    Descriptor socket(
        accept4(door_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.ok()) {
      // Who knocks would wake this end for ever if it cannot be let in. The
      // door opens again at the next question; one that has a name stays.
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      if (way_ == Way::kSocket) return TurnAway();
      events_.Remove(door_.get());
      door_ = Descriptor();
      return;
    }
    if (accepted_.size() == kMaxAccepted) Drop(accepted_.front());
    const std::uint32_t index = Add(std::move(socket), kAccepted);
    if (index == kNone) continue;
    accepted_.push_back(index);
    OnKnock(index);  // mostly it is there already
  }
}

std::uint32_t LocalLinks::Add(Descriptor socket, State state) {
  std::optional<LocalPeer> peer = PeerOf(socket.get());
  if (!peer || entries_.size() - free_.size() >= limit_ ||
      (!IsThisUser(peer->user) && OfUser(peer->user) >= limit_ / 4)) {
    return kNone;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  Entry& entry = entries_[index];
  const std::uint64_t tag = TagOf(index, entry.generation);
  if (!events_.Add(socket.get(), tag).ok()) return kNone;
  free_.pop_back();
  entry.state = state;
  entry.user = peer->user;
  entry.socket = std::move(socket);
  entry.process = std::move(peer->process);
  if (entry.process.ok()) {
    (void)events_.Add(entry.process.get(), tag | kProcessTag);
  }
  return index;
}

std::size_t LocalLinks::OfUser(uid_t user) const {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.state != kFree && entry.user == user;
      }));
}

void LocalLinks::OnEvent(std::uint32_t index, std::uint64_t what) {
  Entry& entry = entries_[index];
  const State before = entry.state;
  switch (before) {
    case kAccepted:
    case kKnocked:
      before == kAccepted ? OnKnock(index) : OnAnswer(index);
      // It has said nothing, and its end would end each sleep.
      if (what == kProcessTag && entry.state == before) Drop(index);
      return;
    case kOpen:
      Heat(index);
      if (what == kProcessTag || (what == kSocketTag && !Hear(entry))) {
        BeginEnd(index);
      }
      return;
    case kFree:
    case kEnding:
      return;
  }
}

void LocalLinks::OnKnock(std::uint32_t index) {
  Entry& entry = entries_[index];
  lh_knock knock;
  std::vector<Descriptor> brought;
  const Received received =
      ReceiveMessage(entry.socket.get(), BytesOf(knock), &brought);
  if (received == Received::kNothing) return;
  if (received == Received::kBroken || !IsGood(knock) ||
      (brought.size() != 1 && brought.size() != 3) ||
      (entry.memory = LinkMemory::Adopt(brought[0])) == nullptr) {
    return Drop(index);
  }
  if (brought.size() == 3 && IsThisUser(entry.user)) {
    entry.bells = {std::move(brought[1]), std::move(brought[2])};
    if (!entry.bells.ok()) return Drop(index);
  }
  if (way_ == Way::kSocket) {
    // Nothing is answered: that the client stays is the answer.
    entry.peer = Address::OfSocket(entry.user, ++clients_);
    return BecomeOpen(index, LocalLink::End::kServer);
  }
  entry.peer = Address(knock.from);
  Address::Ip local;
  std::memcpy(local.data(), knock.to.ip, local.size());
  entry.peer.set_local_ip(local);
  lh_knocked answer = {.version = LH_LINK_VERSION, .status = 0};
  if (!SendMessage(entry.socket.get(), BytesOf(answer))) return Drop(index);
  BecomeOpen(index, LocalLink::End::kServer);
}

bool LocalLinks::IsGood(const lh_knock& knock) const {
  if (knock.version != LH_LINK_VERSION || knock.size != LH_LINK_SIZE) {
    return false;
  }
  // Through a socket with a name the connection itself proves who it is.
  if (way_ == Way::kSocket) return true;
  const std::uint64_t now = Seconds();
  return knock.time <= now && knock.time + kDoorLife >= now &&
         knock.cookie == Cookie(knock.from, knock.time);
}

void LocalLinks::OnAnswer(std::uint32_t index) {
  lh_knocked answer;
  const Received received =
      ReceiveMessage(entries_[index].socket.get(), BytesOf(answer));
  if (received == Received::kNothing) return;
  if (received == Received::kBroken || answer.version != LH_LINK_VERSION ||
      answer.status != 0) {
    return Drop(index);
  }
  BecomeOpen(index, LocalLink::End::kClient);
}

void LocalLinks::BecomeOpen(std::uint32_t index, LocalLink::End end) {
  Forget(&accepted_, index);
  Entry& entry = entries_[index];
  // The client at this address before is another one now.
  const auto old = by_address_.find(entry.peer);
  if (old != by_address_.end()) Drop(old->second);
  entry.state = kOpen;
  if (entry.bells.mine.ok() &&
      !events_
           .AddBell(entry.bells.mine.get(),
                    TagOf(index, entry.generation) | kBellTag)
           .ok()) {
    entry.bells = {};
  }
  entry.link = std::make_unique<LocalLink>(
      std::move(entry.memory), std::move(entry.socket), end,
      IsThisUser(entry.user), std::move(entry.bells));
  by_address_.emplace(entry.peer, index);
  Heat(index);
  if (other_ >= 0 && !other_is_watched_) {
    other_is_watched_ = events_.Add(other_, kOtherTag).ok();
  }
}

void LocalLinks::BeginEnd(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.state = kEnding;
  entry.quiet = 0;
  // Also what lies behind the bells.
  entry.in_socket = way_ == Way::kSocket;
  Unwatch(entry);
  // By UDP the next process may be there; else it is connected to later.
  if (way_ == Way::kUdp) Unname(index);
}

void LocalLinks::Drop(std::uint32_t index) {
  Entry& entry = entries_[index];
  Unwatch(entry);
  Unname(index);
  Cool(index);
  Forget(&accepted_, index);
  const std::uint32_t generation = entry.generation + 1;
  const bool to_ring = entry.to_ring;  // it is in to_ring_ until Ring()
  entry = Entry();
  entry.generation = generation;
  entry.to_ring = to_ring;
  free_.push_back(index);
}

void LocalLinks::Unwatch(Entry& entry) {
  const int socket =
      entry.link != nullptr ? entry.link->socket() : entry.socket.get();
  if (socket >= 0) events_.Remove(socket);
  if (entry.process.ok()) events_.Remove(entry.process.get());
  if (entry.link != nullptr && entry.link->bell() >= 0) {
    events_.Remove(entry.link->bell());
  }
}

void LocalLinks::Unname(std::uint32_t index) {
  const auto found = by_address_.find(entries_[index].peer);
  if (found != by_address_.end() && found->second == index) {
    by_address_.erase(found);
  }
  found_at_ = kNone;
}

void LocalLinks::Forget(std::vector<std::uint32_t>* list, std::uint32_t index) {
  list->erase(std::remove(list->begin(), list->end(), index), list->end());
}

}  // namespace lauberhorn::nic
