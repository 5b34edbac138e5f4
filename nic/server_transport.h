// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/server_transport.h
//
// Sessions that clients opened, and their calls: at most once, answered as
// often as it is asked for. Knows packets and slots; what a call is about knows
// the handler, who is told of each new call once and answers it once.
//
// Opening makes no state until the client has returned a cookie, which proves
// its address. A session is found by its token; its slots are numbered, one
// call each; a session that uses all of them is granted more. A duplicate of a
// call that runs is answered ACCEPTED, of one that ended with its kept reply; a
// higher sequence in a slot ends the lower. A call that was cancelled is
// answered CANCELLED from then on, also if it comes only after its CANCEL.
//
// A packet from another address than before is answered with a challenge; only
// who returns it from there is the session's client.
//
// A client asks for its running calls once a second. If nothing comes from it
// for several times as long while it has some, it is dead: its calls are
// dropped and its session is forgotten. A session without calls has no timer.
//
// An address has at most as many sessions as are free, so nobody takes all:
// with one client about half of them, with two a third each. For a session more
// it must give one up, and the one that has the most gives one up for those
// that have fewer. Only a session without running calls is given up, and its
// client is told.
//
// Passive: no clock, no thread; not thread-safe. Memory for all sessions is
// taken at construction.
#ifndef LAUBERHORN_NIC_SERVER_TRANSPORT_H_
#define LAUBERHORN_NIC_SERVER_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "abi/host/process.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/body.h"
#include "nic/counters.h"
#include "nic/keyed_hash.h"
#include "nic/origins.h"
#include "nic/packet.h"
#include "nic/slot_pool.h"
#include "nic/time.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

// Where the answer of a call goes.
struct ReplyTo {
  std::uint64_t token;    // of the session
  std::uint32_t session;  // its index, which other sessions have after it
  std::uint32_t sequence;
  std::uint16_t slot;
};

struct IncomingCall {
  ReplyTo reply_to;
  std::uint32_t listener;  // as given to OnPacket()
  std::uint64_t method;
  absl::string_view name = {};  // of the method; empty: known by its id
  Nanos deadline;               // kNever if none
  Body body;
};

class ServerTransport {
 public:
  static constexpr std::uint32_t kBusy = ~std::uint32_t{0};

  class Handler {
   public:
    virtual ~Handler() = default;

    // A new call. Answer it with Reply(), now or later. Returns a name for it,
    // which is given to OnCallDropped(), any if it has been answered already;
    // or kBusy if there is no place for it: then it never came, and will come
    // again.
    virtual std::uint32_t OnCall(const IncomingCall& call) = 0;

    // Nobody waits for this call any more; a Reply() to it is ignored. `why` is
    // for its call word: LH_CALL_CANCELLED or LH_CALL_PEER_DEAD.
    virtual void OnCallDropped(std::uint32_t call, std::uint8_t why) = 0;

    // How full the server is, 0 to 255; said to clients.
    virtual std::uint8_t Load() const = 0;
  };

  // `sessions` is how many clients there may be; the references outlive this.
  ServerTransport(std::uint32_t sessions, const Secret& secret,
                  Counters& counters, Handler& handler);

  ServerTransport(const ServerTransport&) = delete;
  ServerTransport& operator=(const ServerTransport&) = delete;

  // A packet that came over `wire`, whose number is `listener`.
  void OnPacket(const Packet& packet, const Address& from, Wire& wire,
                std::uint32_t listener, Nanos now);

  // The end of a call: keeps and sends the reply. `status` is 0 to 16.
  void Reply(const ReplyTo& to, std::uint8_t status, const Body& body,
             Nanos now);

  // Where the client of this call is now; null if its session is gone.
  const Address* ClientOf(const ReplyTo& to) const {
    const Session& session = sessions_[to.session];
    return session.token == to.token ? &session.peer : nullptr;
  }
  // The wire that it came by, if ClientOf() is not null.
  const Wire& WireOf(const ReplyTo& to) const {
    return *sessions_[to.session].wire;
  }

  // Forgets the clients that have died; Next() says when to come back. Costs as
  // much as there are sessions with running calls.
  void Expire(Nanos now) {
    if (Next() <= now) ExpireDue(now);
  }
  Nanos Next() const { return busy_.empty() ? kNever : look_; }

  // The process of the client at this address has ended, surely: so do its
  // sessions.
  void OnGone(const Address& client, std::uint32_t listener);

  // Ends all sessions that came over this wire, which is about to go.
  void CloseListener(std::uint32_t listener);

  std::uint64_t incarnation() const { return incarnation_; }

 private:
  struct Slot {
    enum State : std::uint8_t { kUnused, kRunning, kReplied };
    std::uint32_t sequence;
    std::uint32_t call;     // the handler's name of it, while it runs
    std::uint32_t sent_us;  // of the client's packet, to be echoed
    BodySize size;
    std::uint8_t status;
    State state;
    Nanos heard;  // a packet of its call last came
    KeptBody reply;
  };
  struct Session {
    std::uint64_t token = 0;  // 0 while it is not open
    std::uint64_t client;     // incarnation
    std::uint64_t number;
    Address peer;
    Address opener;  // where it was opened from; part of its OpenKey
    Wire* wire;
    std::uint32_t listener;
    std::uint32_t moves;  // to other addresses
    std::uint32_t running;
    std::uint32_t busy_at;  // its place in busy_, while calls are running
    Nanos heard;            // a packet last came
    Nanos active;           // it was last of use: a packet or a reply
  };
  // What a client means by one session. With its address, which the cookie has
  // proved: nobody takes a name that another client is going to use.
  struct OpenKey {
    std::uint64_t client;
    std::uint64_t number;
    Address peer;
    std::uint32_t listener;
    friend bool operator==(const OpenKey& a, const OpenKey& b) {
      return a.client == b.client && a.number == b.number && a.peer == b.peer &&
             a.listener == b.listener;
    }
    template <typename H>
    friend H AbslHashValue(H state, const OpenKey& key) {
      return H::combine(std::move(state), key.client, key.number, key.peer,
                        key.listener);
    }
  };

  std::uint64_t Cookie(const Address& from, const lh_open& open) const;
  // Void as soon as the session has moved.
  std::uint64_t ChallengeCookie(const Session& session, const Address& from,
                                Nanos time) const;
  void Challenge(const Session& session, const Address& from, Nanos now);
  void OnResponse(const Packet& packet, std::uint32_t index,
                  const Address& from, Nanos now);
  void OnHello(const Packet& packet, const Address& from, Wire& wire,
               Nanos now);
  void OnOpen(const Packet& packet, const Address& from, Wire& wire,
              std::uint32_t listener, Nanos now);
  void OnCall(const Packet& packet, std::uint32_t index, Nanos now);
  void OnProbe(const Packet& packet, std::uint32_t index, Nanos now);
  void OnCancel(const Packet& packet, std::uint32_t index, Nanos now);
  // Gives the session more slots, if there are any. Whether it got some.
  bool Grow(std::uint32_t index);
  void ClearSlots(std::uint32_t index, std::uint16_t from);
  // A session for a client at `from`: one that is free, or that another client
  // gives up; kNone if there is none.
  std::uint32_t Allocate(const Address& from, Nanos now);
  // The session that is to be given up for it.
  std::uint32_t ToGiveUp(const Address& from, Nanos now) const;
  // Forgets the session; drops its running calls.
  void Release(std::uint32_t index, std::uint8_t why);
  void StartRunning(std::uint32_t index, Slot& slot, Nanos now);
  void StopRunning(std::uint32_t index);
  void Drop(std::uint32_t index, Slot& slot, std::uint8_t why);
  void ExpireDue(Nanos now);
  void DropUnasked(std::uint32_t index, Nanos now);
  void SendOpen(std::uint8_t type, const lh_open& open, const Address& to,
                Wire& wire);
  void SendReset(std::uint64_t token, const Address& to, Wire& wire);
  void SendClose(const Session& session, absl::StatusCode why);
  // A REPLY, with what was kept of it, or one that is only a header.
  void SendSlot(std::uint32_t index, std::uint16_t number, std::uint8_t type,
                Nanos now);
  void Send(OutgoingPacket& packet, const Body& body, const Address& to,
            Wire& wire);

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  const Secret secret_;
  const std::uint64_t incarnation_;
  Counters& counters_;
  Handler& handler_;
  std::vector<Session> sessions_;
  SlotPool<Slot> slots_;
  std::vector<std::uint32_t> free_;
  Origins origins_;  // of the sessions that are open
  // Sessions with running calls, and when the first of them may have died.
  std::vector<std::uint32_t> busy_;
  Nanos look_ = kNever;
  absl::flat_hash_map<std::uint64_t, std::uint32_t, HashItself> by_token_;
  absl::flat_hash_map<OpenKey, std::uint32_t> by_open_;
  std::uint64_t opened_ = 0;  // sessions ever, makes tokens differ
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SERVER_TRANSPORT_H_
