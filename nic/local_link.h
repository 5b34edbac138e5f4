// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/local_link.h
//
// One end of a link between two NICs on one host (abi/wire/local.h): packets go
// through shared memory, a bell through an eventfd or a Unix socket.
//
// Ordering: the lanes are those of abi/host/channel.h. Sleep() stores `asleep`,
// then looks at the lane; Put() stores the packet's word, then Ring() looks at
// `asleep`; a full fence is between each two, so one of the two sees the other.
//
// The peer is not trusted: what it writes ends the link or loses packets, no
// more. If it is of another user, a packet is copied before anybody looks at
// it, and there are no eventfds.
//
// Not thread-safe: a link belongs to the thread of its wire.
#ifndef LAUBERHORN_NIC_LOCAL_LINK_H_
#define LAUBERHORN_NIC_LOCAL_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "abi/host/atomic_user.h"
#include "abi/host/channel_edges.h"
#include "abi/wire/local.h"
#include "absl/types/span.h"
#include "nic/descriptor.h"

namespace lauberhorn::nic {

// The memory of a link, mapped. A child process does not get it.
class LinkMemory {
 public:
  // New memory, and what names it to the peer; null if the system refuses.
  static std::unique_ptr<LinkMemory> Make(Descriptor* file);

  // The peer's; null unless it has the size and the seals that it must have, so
  // that reading it can never fail.
  static std::unique_ptr<LinkMemory> Adopt(const Descriptor& file);

  ~LinkMemory();
  LinkMemory(const LinkMemory&) = delete;
  LinkMemory& operator=(const LinkMemory&) = delete;

  std::uint8_t* base() const { return base_; }

 private:
  explicit LinkMemory(std::uint8_t* base) : base_(base) {}
  static std::unique_ptr<LinkMemory> Map(const Descriptor& file);

  std::uint8_t* const base_;
};

// Eventfds of a link. Whoever has one can make writing to it block, so they are
// for ends of the same user.
struct LinkBells {
  // New ones; not ok() if the system refuses.
  static LinkBells Make();

  // Whether they are there, and what they should be.
  bool ok() const;

  Descriptor mine;   // to sleep at
  Descriptor peers;  // to ring
};

class LocalLink {
 public:
  enum class End { kServer, kClient };

  // `trusted`: the peer is of the same user. The socket is connected to it.
  // Bells only if it is, and they are ok().
  LocalLink(std::unique_ptr<LinkMemory> memory, Descriptor socket, End end,
            bool trusted, LinkBells bells = {});
  ~LocalLink();

  LocalLink(const LocalLink&) = delete;
  LocalLink& operator=(const LocalLink&) = delete;

  // Gives the peer a packet of at most LH_PACKET_MAX bytes. False: no room.
  bool Put(absl::Span<const std::uint8_t> packet);

  // After Put(), of any number: wakes the peer if it sleeps.
  void Ring();

  // The next packet; empty if none is there. It is good until Release(). `room`
  // is for LH_PACKET_MAX bytes, and used if it must be copied: one of another
  // user, or one that is longer than a slot.
  absl::Span<const std::uint8_t> Take(std::uint8_t* room);

  // Whether Take() has nothing to tell: a look without the call.
  bool IsQuiet() const {
    return lh_state(lh_load_acquire(next_)) != LH_FULL && !broken_;
  }

  // Gives back what Take() returned since the last time.
  void Release();

  // Says that nobody looks, and looks once more. False: something is there, and
  // the link is awake.
  bool Sleep();
  void Awake();

  // Takes the bells that have come by the socket. False: the peer has gone.
  // What it said before is still to be taken.
  bool TakeBells();

  // It broke the contract: it is to be given up.
  bool broken() const { return broken_; }

  int socket() const { return socket_.get(); }
  // The eventfd that the peer rings; it need not be read. Negative if there is
  // none.
  int bell() const { return bells_.mine.get(); }

 private:
  struct Lanes;

  bool PutInParts(absl::Span<const std::uint8_t> packet);
  absl::Span<const std::uint8_t> TakeInParts(std::size_t size,
                                             std::uint8_t* room);
  absl::Span<const std::uint8_t> Break();
  void Advance();

  const std::unique_ptr<LinkMemory> memory_;
  const Descriptor socket_;
  const LinkBells bells_;
  const bool trusted_;
  bool broken_ = false;
  std::unique_ptr<Lanes> lanes_;
  const __u64* next_;  // the word of the slot that is to be taken
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_LOCAL_LINK_H_
