// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/local_links.h
//
// The links of a wire to other NICs on this host (abi/wire/local.h): how they
// are opened, found by the peer's address, looked at, and ended.
//
// All links of a wire are opened in one of two ways: through a UDP port, and
// then packets go by UDP where there is no link, or no room in it; or through a
// socket that has a name, and then there is nothing else, so what finds no room
// in a link goes by its socket.
//
// A link is looked at in each turn from when its bell rang until nothing came
// for a while: so those that are idle cost nothing. The descriptors (the door,
// the sockets, the peers' processes) are in one poll set, which is looked at
// now and then, and ends a sleep. After a sleep the memory is looked at first:
// what came there need not wait for a system call.
//
// Limits: links take up to four descriptors each, at most a quarter of what the
// process may have open, and peers of one other user get a quarter of that. Who
// gets none stays with UDP. Through sockets it is three quarters, and who gets
// none is hung up on.
//
// Not thread-safe: it belongs to the thread of its wire.
#ifndef LAUBERHORN_NIC_LOCAL_LINKS_H_
#define LAUBERHORN_NIC_LOCAL_LINKS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/descriptor.h"
#include "nic/keyed_hash.h"
#include "nic/local_link.h"
#include "nic/local_socket.h"
#include "nic/packet.h"
#include "nic/poll_set.h"
#include "nic/socket_name.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class LocalLinks {
 public:
  enum class Way : std::uint8_t { kUdp, kSocket };

  explicit LocalLinks(Way way = Way::kUdp) : way_(way) {}
  LocalLinks(const LocalLinks&) = delete;
  LocalLinks& operator=(const LocalLinks&) = delete;

  // First of all. RESOURCE_EXHAUSTED if the system refuses.
  absl::Status Open();

  // Whether there is a link to the address.
  bool Has(const Address& to) const { return Find(to) != kNone; }

  // Gives it a packet; false if there is no room, or no link.
  bool Put(const Address& to, absl::Span<const std::uint8_t> packet);
  // Wakes those that got something.
  void Ring() {
    if (!to_ring_.empty()) RingAll();
  }

  // What came since the last time, at most `batch`, as a wire's turn wants it:
  // Release(), Take(), and LookAtEvents() when that is due.
  std::size_t Receive(absl::Span<Datagram> batch);

  // A descriptor of the wire's, which is watched with the links from when there
  // is one; and whether it was readable when they were looked at last, or that
  // cannot be told; once.
  void Watch(int descriptor) { other_ = descriptor; }
  bool OtherIsReady() { return std::exchange(other_ready_, false); }

  // What came, at most `batch`, since Release() gave back the last.
  std::size_t Take(absl::Span<Datagram> batch);
  void Release() {
    if (!taken_.empty()) ReleaseTaken();
  }
  // Whether Take() looks at any.
  bool looks() const { return !hot_.empty(); }

  // Whether it does, and none of them has anything; as far as a look at their
  // memory can tell.
  bool AreQuiet() const;

  // As of Wire. They do not sleep before the events have been looked at after
  // the last sleep.
  absl::Span<const Address> Gone() {
    if (ended_.empty()) return {};
    return TellGone();
  }
  bool Sleep();
  void Awake();

  // What goes by UDP: a packet of this type.
  struct DoorMessage {
    lh_packet_type type;
    std::uint64_t number;  // ack_bits
    lh_door door;
  };
  // Opening, at the client: the question for a door at this address, if it is
  // of this host and has neither a link nor one that is being opened; and what
  // to do with the answer.
  std::optional<DoorMessage> Ask(const Address& to);
  void OnDoor(const Packet& packet, const Address& from);
  // At the server: the answer to who asks, if there is one.
  std::optional<DoorMessage> OnAsk(const Packet& packet, const Address& from);

  // Where there is no UDP: nic/socket_opening.cc.
  //
  // At the server: clients knock at this socket, which listens.
  absl::Status OpenDoor(Descriptor listener);
  // At the client: opens a link to who listens there, for this address, which
  // has none. Returns 0, or the error of the system.
  int Connect(const SocketName& name, const Address& to);
  // Ends that link, if there is one.
  void Disconnect(const Address& to);
  // Gives it a packet for which the link has no room; false if the socket has
  // none either.
  bool PutInSocket(const Address& to, absl::Span<const std::uint8_t> packet);

  // Looks who knocks, rings, or has ended. A system call.
  void LookAtEvents();
  // Readable when LookAtEvents() has something to do.
  int descriptor() const { return events_.descriptor(); }

  // Of links that are open.
  std::size_t count() const { return by_address_.size(); }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint64_t kDoorTag = ~std::uint64_t{0};

  enum State : std::uint8_t {
    kFree,
    kAccepted,  // at the server: the knock is still to come
    kKnocked,   // at the client: the answer is still to come
    kOpen,
    kEnding,  // the peer has gone; what it said is still to be taken
  };
  struct Entry {
    State state = kFree;
    bool hot = false;        // in hot_
    bool to_ring = false;    // in to_ring_
    bool in_socket = false;  // there may be packets
    std::uint32_t quiet = 0;
    std::uint32_t generation = 0;
    uid_t user = 0;
    Address peer;
    Descriptor socket;                   // until it is open
    Descriptor process;                  // the peer's
    LinkBells bells;                     // until it is open
    std::unique_ptr<LinkMemory> memory;  // until it is open
    std::unique_ptr<LocalLink> link;
  };
  struct Question {
    Address to;
    std::uint64_t number = 0;
  };

  // Of the link to there, kNone if there is none.
  std::uint32_t Find(const Address& to) const {
    return found_at_ != kNone && found_ == to ? found_at_ : FindAnother(to);
  }
  std::uint32_t FindAnother(const Address& to) const;
  std::uint64_t Cookie(const lh_address& from, std::uint64_t time) const;

  // A free entry for this socket, watched; kNone if there may be no more.
  std::uint32_t Add(Descriptor socket, State state);
  void Accept();
  void OnEvent(std::uint32_t index, std::uint64_t what);
  void OnKnock(std::uint32_t index);
  // Whether a link to there is being opened. A second knock would end the
  // first.
  bool IsKnockedAt(const Address& to) const;
  bool IsGood(const lh_knock& knock) const;
  // Sends it, with what it brings.
  bool SendKnock(Entry& entry, const lh_knock& knock);
  void OnAnswer(std::uint32_t index);
  // Takes the bells; false if the peer has hung up.
  bool Hear(Entry& entry);
  // Makes a client go for which there is no descriptor.
  void TurnAway();
  void BecomeOpen(std::uint32_t index, LocalLink::End end);
  void BeginEnd(std::uint32_t index);
  void Drop(std::uint32_t index);
  // To be looked at from now on, or not.
  void Heat(std::uint32_t index);
  void Cool(std::uint32_t index);
  void RingAll();
  void ReleaseTaken();
  absl::Span<const Address> TellGone();
  void OnQuiet();
  void OnQuiet(std::uint32_t index);
  absl::Span<const std::uint8_t> TakeFromSocket(Entry& entry,
                                                std::uint8_t* room);
  void Unwatch(Entry& entry);
  void Unname(std::uint32_t index);
  std::size_t OfUser(uid_t user) const;
  static void Forget(std::vector<std::uint32_t>* list, std::uint32_t index);

  const Way way_;
  Secret secret_ = {};
  DoorName name_ = {};
  Descriptor door_;
  Descriptor spare_;           // for TurnAway()
  std::uint32_t clients_ = 0;  // that have come through a named socket
  PollSet events_;
  std::size_t limit_ = 0;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  absl::flat_hash_map<Address, std::uint32_t> by_address_;  // kOpen
  mutable Address found_;                                   // the last one
  mutable std::uint32_t found_at_ = kNone;
  std::vector<std::uint32_t> hot_;
  std::vector<std::uint32_t> to_ring_;
  std::vector<std::uint32_t> taken_;  // from which Take() took
  std::vector<std::uint32_t> quiet_;  // of those that Take() looked at
  std::size_t rotation_ = 0;
  unsigned since_look_ = 0;  // turns in which events were not looked at
  bool woken_ = true;        // they have not been since the last sleep
  bool asleep_ = false;      // since Sleep()
  int other_ = -1;           // for Watch()
  bool other_is_watched_ = false;
  bool other_ready_ = false;
  std::vector<std::uint32_t> accepted_;  // kAccepted, in their order
  std::vector<Question> questions_;
  std::size_t next_question_ = 0;
  std::vector<Address> ended_;  // to be told by Gone()
  std::vector<Address> told_;
  std::unique_ptr<std::uint8_t[][LH_PACKET_MAX]> room_;  // for copies
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_LOCAL_LINKS_H_
