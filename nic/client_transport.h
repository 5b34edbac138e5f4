// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/client_transport.h
//
// Sessions to servers, and the calls that this process makes. A call ends
// exactly once: with the server's answer, or with an error of this end: its
// deadline passed, the server could not be reached, or was lost while the call
// was open (after which it may have run). A call that was sent is never run
// again.
//
// A call carries its method's name until its session has confirmed that name:
// what abi/wire/packet.h says about names.
//
// A peer's session is opened by its first call. A session that was idle for
// long is opened anew before it is used, so a server that restarted or forgot
// it meanwhile costs no call. Calls beyond the session's slots wait their turn.
// A server that has no place for a call is asked again, ever later, as long as
// that makes sense; one that says that it is full gets fewer calls at a time.
// Each call has one timer while it is open; an idle session has none.
//
// A call that ends before its answer came is free at once, and so is its slot.
// The server is told, again and again until it answers or the slot is used for
// another call, which tells it as well.
//
// Passive: no clock, no thread; not thread-safe. Memory for all calls is taken
// at construction.
#ifndef LAUBERHORN_NIC_CLIENT_TRANSPORT_H_
#define LAUBERHORN_NIC_CLIENT_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/body.h"
#include "nic/counters.h"
#include "nic/keyed_hash.h"
#include "nic/method_counters.h"
#include "nic/method_names.h"
#include "nic/packet.h"
#include "nic/slot_pool.h"
#include "nic/time.h"
#include "nic/timer_queue.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

struct OutgoingCall {
  std::uint64_t peer;  // handle
  std::uint64_t method;
  Nanos deadline;            // kNever if none
  bool wait_for_ready;       // rather than fail while the server is not there
  std::uint64_t handle = 0;  // of the call, for the trace
  Body body;                 // at most kMaxPayload bytes
};

class ClientTransport {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;

    // The end of call `call`: status 0 to 16, and the reply or the text of the
    // error. The call's number is free again. May not call the transport.
    virtual void OnCallEnded(std::uint32_t call, std::uint8_t status,
                             const Body& body) = 0;
  };

  // For calls 0 .. calls - 1 to at most `peers` servers at a time.
  ClientTransport(std::uint32_t calls, std::uint32_t peers,
                  const Secret& secret, WireFactory& wires, Counters& counters,
                  Handler& handler);

  ClientTransport(const ClientTransport&) = delete;
  ClientTransport& operator=(const ClientTransport&) = delete;

  // A handle for calls to the server at `address`. RESOURCE_EXHAUSTED if there
  // are too many peers; the factory's errors for the first of them.
  absl::StatusOr<std::uint64_t> Connect(const Address& address);
  // The same for whoever listens at this socket.
  absl::StatusOr<std::uint64_t> Connect(const SocketName& name);

  // Ends the peer's open calls with CANCELLED. NOT_FOUND for an unknown handle.
  absl::Status Disconnect(std::uint64_t peer, Nanos now);

  // How the session with a peer is. NOT_FOUND for an unknown handle.
  absl::StatusOr<lh_peer_state> StateOf(std::uint64_t peer);

  // Opens the session with a peer that is known, unless it is open, and goes on
  // trying for a while: at least as long as it takes to see that nobody
  // answers.
  void Want(std::uint64_t peer, Nanos now);

  // The name of a method that will be called. Errors as MethodNames::Add().
  absl::Status NameMethod(std::uint64_t method, absl::string_view name);

  // What the methods count whose names were told. May be read by any thread.
  const MethodCounterTable& counters() const { return method_counters_; }

  // Starts call `call`, which is not open. It may end before this returns.
  void Call(std::uint32_t call, const OutgoingCall& what, Nanos now);

  // Ends an open call, by default as this process wanted it, and tells the
  // server, surely.
  void Cancel(std::uint32_t call, Nanos now,
              absl::string_view why = "cancelled by this process",
              absl::StatusCode code = absl::StatusCode::kCancelled);

  bool IsOpen(std::uint32_t call) const { return calls_[call].state != kFree; }

  void OnPacket(const Packet& packet, const Address& from, Nanos now);

  // The network says that nobody listens at this address. Believed twice, and
  // only while a session is opened: anybody can say so.
  void OnUnreachable(const Address& address);

  // The process that listened at this address has ended, surely: its session is
  // lost.
  void OnGone(const Address& address, Nanos now);

  // What is due by `now`: sends again, gives up. Next() says when to come back.
  void Expire(Nanos now) {
    now_ = now;
    if (Next() <= now) ExpireDue(now);
  }
  Nanos Next() const { return timers_.Next(); }

  // The wires that calls leave by: those that Connect() has made.
  absl::Span<Wire* const> wires() const { return {wire_list_, wire_count_}; }

 private:
  enum CallState : std::uint8_t {
    kFree,
    kPending,  // waits for the session, or for a slot
    kSent,     // nothing came back yet
    kRunning,  // the server said that it runs
  };
  struct CallEntry {
    Nanos deadline;
    Nanos attention;  // when to send again or to probe
    std::uint64_t method;
    std::uint64_t handle;
    Nanos begun;
    std::uint32_t peer;
    std::uint32_t next;  // pending calls of a peer are a list
    std::uint32_t previous;
    std::uint32_t sequence;  // in its slot
    std::uint32_t tries;     // transmissions, or unanswered probes
    std::uint32_t refusals;  // times that the server was busy
    std::uint16_t slot;
    BodySize size;
    std::uint16_t known;  // its method's number, or MethodNames::kNone
    std::uint16_t name;   // that it carries, or MethodNames::kNone
    CallState state;
    bool wait_for_ready;
  };
  enum PeerState : std::uint8_t { kUnused, kClosed, kHello, kOpening, kReady };
  struct Slot {
    std::uint32_t sequence;
    std::uint32_t call;    // or kNone
    std::uint16_t next;    // free slot
    std::uint8_t cancels;  // sent of its last call and not answered
    // While there are such ones: when to send the next, and the neighbours in
    // the list of all slots of the peer for which this is so.
    std::uint16_t next_cancel;
    std::uint16_t previous_cancel;
    Nanos attention;
  };
  struct Peer {
    Address address;
    Wire* wire;
    std::uint64_t number;  // of the session, while it is opened and open
    std::uint64_t token;
    lh_open open;  // with the cookie, while it is opened
    Nanos active;
    Nanos wanted;  // the session, until then, also if no call waits for it
    std::uint32_t generation;
    std::uint32_t attempts;  // to open the session
    std::uint32_t refusals;  // of these, as the network says
    std::uint32_t first;     // pending calls
    std::uint32_t last;
    std::uint32_t in_flight;
    PeerState state;
    bool failed;                 // to open it, and it has not been open since
    std::uint16_t granted;       // slots
    std::uint8_t load;           // of the server, as it said last
    std::uint16_t free;          // the first that is, or kNoSlot
    std::uint16_t cancelling;    // the first that is, or kNoSlot
    Nanos cancel_at;             // its timer, kNever if none is cancelling
    MethodNames::Set confirmed;  // in this session
  };

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint16_t kNoSlot = 0xffff;

  // What nobody answers, CALL or CANCEL, is sent again after this, then after
  // twice that, and so on; after so many times the server is lost.
  static constexpr Nanos kFirstRetry = 10 * kMillisecond;
  static constexpr std::uint32_t kTransmissions = 12;

  std::uint32_t PeerTimer(std::uint32_t peer) const {
    return static_cast<std::uint32_t>(calls_.size()) + peer;
  }
  std::uint32_t CancelTimer(std::uint32_t peer) const {
    return static_cast<std::uint32_t>(calls_.size() + peers_.size()) + peer;
  }
  Slot& SlotOf(std::uint32_t peer, std::uint16_t number) {
    return slots_[std::size_t{peer} * kMaxSessionSlots + number];
  }
  // The server grants so many slots.
  void Grant(std::uint32_t index, std::uint16_t slots);
  void FreeSlot(std::uint32_t peer, std::uint16_t number);
  Peer* FindPeer(std::uint64_t handle);
  // An unused one, or null.
  Peer* FindRoom();
  absl::Status NoRoom() const;
  std::uint64_t Begin(Peer& peer, const Address& address, Wire& wire);
  // For errors.
  std::string NameOf(const Peer& peer) const {
    return peer.wire->NameOf(peer.address);
  }
  void AppendPending(Peer& peer, std::uint32_t call);
  void RemovePending(Peer& peer, std::uint32_t call);
  // The session is over, if there is one; the peer is kClosed.
  void Close(Peer& peer);
  void StartOpening(std::uint32_t index, Nanos now);
  void SendOpening(std::uint32_t index, Nanos now);
  void OnOpeningTimer(std::uint32_t index, Nanos now);
  // Ends the calls that do not want to wait for the server to be there.
  void FailImpatient(Peer& peer, absl::StatusCode code, absl::string_view text);
  void OnRefuse(const Packet& packet, const Address& from);
  void OnCookie(const Packet& packet, const Address& from, Nanos now);
  void OnAccept(const Packet& packet, const Address& from, Nanos now);
  void SendClose(const Peer& peer);
  void OnChallenge(const Packet& packet, const Peer& peer);
  void Send(const Peer& peer, OutgoingPacket& packet, const PacketBody& body);
  void OnSessionLost(std::uint32_t index, Nanos now, absl::string_view why);
  // How many calls the session may have in work: the server's wish, in bounds.
  static std::uint32_t UsableSlots(const Peer& peer);
  void OnBusy(std::uint32_t call, Nanos now);
  void OnReply(const Packet& packet, std::uint32_t call);
  // The name that the call must carry, if it fits.
  std::uint16_t NameToSend(const Peer& peer, std::uint32_t call) const;
  Peer* FindOpening(const Packet& packet, const Address& from, lh_open* open);
  std::uint32_t FindCall(const Packet& packet, std::uint32_t peer);
  void Pump(std::uint32_t index, Nanos now);
  void Transmit(std::uint32_t call, Nanos now);
  void SendAbout(std::uint32_t call, std::uint8_t type, Nanos now);
  void SetTimer(std::uint32_t call);
  void ExpireDue(Nanos now);
  void OnCallTimer(std::uint32_t call, Nanos now);
  // The call, which was sent, is about to end without an answer: tells the
  // server, from now on until that has answered.
  void GiveUp(std::uint32_t call, Nanos now);
  void SendCancel(std::uint32_t index, std::uint16_t number, Nanos now);
  void SetCancelTimer(std::uint32_t index, Nanos when);
  void OnCancelTimer(std::uint32_t index, Nanos now);
  void StopCancelling(std::uint32_t index, std::uint16_t number);
  // Whether the reply, which no call waits for, is the answer to a CANCEL.
  bool EndsCancel(const lh_packet& reply, std::uint32_t index);
  // Frees the call and its slot, then tells the handler.
  void End(std::uint32_t call, std::uint8_t status, const Body& body);
  void Fail(std::uint32_t call, absl::StatusCode code, absl::string_view text);
  void Note(Station station, std::uint32_t call, std::uint8_t detail = 0) {
    counters_.trace.Add(station, calls_[call].handle, calls_[call].method,
                        TraceRecord::kNoEndpoint, detail);
  }

  const std::uint64_t incarnation_;
  WireFactory& wires_;
  Counters& counters_;
  Handler& handler_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<SocketWire> sockets_;
  Wire* wire_list_[2];  // of these, those that there are
  std::size_t wire_count_ = 0;
  std::vector<CallEntry> calls_;
  std::unique_ptr<KeptBody[]> bodies_;  // of calls_; touched as they are used
  MethodNames names_;
  MethodCounterTable method_counters_;
  std::vector<MethodCounters*> counters_of_;  // by number in names_
  std::vector<Peer> peers_;
  std::unique_ptr<Slot[]> slots_;  // of peers_; touched as they are granted
  absl::flat_hash_map<std::uint64_t, std::uint32_t> by_token_;  // ready peers
  TimerQueue timers_;  // calls, then peers, then what peers are to cancel
  std::uint64_t sessions_ = 0;
  Nanos now_ = 0;  // that the caller last said
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CLIENT_TRANSPORT_H_
