// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/engine.h
//
// The NIC, as a passive object. Poll(now) does one turn:
//
//   wires -> transport -> dispatch -> `in` lanes
//   `out` lanes of the watched channels -> transport -> wires
//   timers; and at the end, wakes
//
// and says when it wants the next. It has no thread, no clock, no lock, and
// allocates nothing while calls flow; control commands may. Whoever drives it
// (EngineThread, FusedDriver, a test with simulated time) calls all functions
// from one thread at a time.
#ifndef LAUBERHORN_NIC_ENGINE_H_
#define LAUBERHORN_NIC_ENGINE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nic/answers.h"
#include "nic/call_links.h"
#include "nic/channel_table.h"
#include "nic/client_transport.h"
#include "nic/counters.h"
#include "nic/dispatcher.h"
#include "nic/keyed_hash.h"
#include "nic/method_counters.h"
#include "nic/process_cpus.h"
#include "nic/processors.h"
#include "nic/region.h"
#include "nic/server_table.h"
#include "nic/server_transport.h"
#include "nic/time.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

struct EngineOptions {
  Secret secret = {};             // random, and never the same twice
  std::uint32_t sessions = 1024;  // clients at a time
  std::uint32_t peers = 256;      // servers at a time
  // Calls of the process that are accepted at a time; more are answered BUSY.
  std::uint32_t calls = ~std::uint32_t{0};
  // On a machine whose kernel publishes its run queues: what is known of its
  // CPUs, and where the process is there. `count` is that of the region.
  Processors* processors = nullptr;
  Processors::Attachment attachment = {};
};

class Engine final : private ServerTransport::Handler,
                     private ClientTransport::Handler,
                     private Dispatcher::Handler,
                     private Processors::Process {
 public:
  // All references outlive the engine.
  Engine(const EngineOptions& options, Region& region, WireFactory& wires,
         Waker& waker);
  ~Engine() override;

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // One turn. Returns when the next is wanted: `now` if there may be more to do
  // at once, kNever if only a packet or a ring can bring work. A turn at the
  // time of the last one, if that found nothing to do, only looks at wires,
  // watched channels and bells: timers need time to pass.
  // If it does not look at the wires, what came there stays for another turn.
  enum class Look : std::uint8_t { kAll, kHost };
  Nanos Poll(Nanos now, Look look = Look::kAll);

  // After a turn that found something to do: whether it surely left more, of
  // packets or messages; and when time will want a turn. Who does not sleep
  // before it looks once more may do without a turn that finds nothing.
  bool unfinished() const { return unfinished_; }
  Nanos NextTimer();

  // Whether no wire has anything, as far as a few loads can tell (Wire).
  bool WiresAreQuiet();

  // Says to the processes that the engine sleeps, and looks once more. True: it
  // may sleep until a packet, a ring, or the time that Poll() returned; Awake()
  // must follow. False: there is work.
  bool TryToSleep();
  void Awake();

  // For whoever drives it on threads that wait for it. The thread of this
  // endpoint does the next turn, so it is the first to get a call.
  void Prefer(std::uint32_t endpoint) { dispatcher_.Prefer(endpoint); }
  // How long that thread will be away with what it got and what is queued, as
  // far as is known; kNever if it got no call.
  Nanos UsualTime(std::uint32_t endpoint) const {
    return dispatcher_.UsualTime(endpoint);
  }
  // What TryToSleep() and Awake() do about the wires: while they sleep only who
  // sleeps on them may look there.
  bool TryToSleepOnWires();
  void AwakenWires();

  // The process has ended, and puts nothing any more, or the NIC ends: what it
  // had answered is sent, the callers of what it serves are told that it is
  // gone, and the servers that run its calls that nobody waits. One packet for
  // each, which may be lost. If it is still there it is told that its calls
  // have ended. Then the engine is only to be destroyed.
  void Leave(Nanos now);

  // What others may look at, from any thread, as long as the engine lives.
  const Counters& counters() const { return counters_; }
  Trace& trace() { return counters_.trace; }
  const MethodCounterTable& served_methods() const {
    return servers_.counters();
  }
  const MethodCounterTable& called_methods() const {
    return client_transport_.counters();
  }
  std::uint32_t endpoints() const { return region_.options().endpoints; }
  std::uint64_t held(std::uint32_t endpoint) const {
    return dispatcher_.held(endpoint);
  }
  // Calls that wait for a thread.
  std::uint64_t queued() const { return dispatcher_.queued(); }
  // How many CPUs the kernel publishes of; which of this engine's endpoints one
  // of them runs, plus 1, or 0.
  std::uint32_t cpus() const {
    return processors_ == nullptr ? 0 : processors_->cpus();
  }
  std::uint64_t endpoint_on(std::uint32_t cpu) const {
    const std::uint64_t shown = processors_->Shown(cpu);
    const std::uint64_t first = attachment_.first;
    return shown > first && shown <= first + attachment_.count ? shown - first
                                                               : 0;
  }
  std::uint32_t weight() const { return attachment_.weight; }
  const ChannelCounters& edges(std::uint32_t endpoint, Which which) const {
    return channels_.edges(2 * endpoint + static_cast<std::uint32_t>(which));
  }

 private:
  // What Processors tells, before this engine's turn.
  void OnCame(std::uint32_t endpoint, Nanos now) override;
  void OnLeft(std::uint32_t endpoint, Nanos now) override;
  void OnRefused(std::uint32_t endpoint, Nanos now) override;
  void BeginEvent(Nanos now);

  // Handlers of the layers below.
  std::uint32_t OnCall(const IncomingCall& call) override;
  void OnCallDropped(std::uint32_t call, std::uint8_t why) override;
  std::uint8_t Load() const override { return dispatcher_.Fullness(); }
  void OnCallEnded(std::uint32_t call, std::uint8_t status,
                   const Body& body) override;
  void OnCallDone(const ReplyTo& to, std::uint8_t status,
                  const Body& body) override;
  void OnCallFlagged(std::uint64_t handle) override;
  void OnServerCallEnded(std::uint32_t server) override;

  bool PollWires();
  // Calls `visit` with each wire; false as soon as that returns false.
  template <typename Visit>
  bool ForEachWire(Visit visit);
  void FlushWires();
  bool PollChannels();
  void OnMessage(std::uint32_t channel);
  void OnServeMessage(std::uint32_t channel);
  void OnCallMessage(std::uint32_t channel);
  void OnOutgoingCall(std::uint32_t channel);
  void OnCancel(std::uint32_t channel);
  void OnLink(std::uint32_t channel);

  // Control commands: engine_control.cc.
  void OnControl(std::uint32_t channel);
  // The result. Sets `*answered` if it is given by itself, now or later.
  absl::StatusOr<std::uint64_t> RunControl(std::uint32_t place, bool* answered);
  absl::Status AnswerCallPeer(std::uint32_t place);
  absl::StatusOr<std::uint64_t> AskPeerState(std::uint32_t place,
                                             bool* answered);
  // Takes what the endpoint's thread has put on this channel and left behind.
  void CollectLeft(std::uint32_t channel);
  absl::Status AddMethod();
  absl::Status NameMethod();
  void EndLateServers();
  void FinishClosedServers();
  void AnswerPeerWaits();

  Region& region_;
  Waker& waker_;
  Counters counters_;
  Processors* const processors_;
  const Processors::Attachment attachment_;
  std::optional<ProcessCpus> cpus_;  // if there are processors
  ChannelTable channels_;
  Answers answers_;
  CallLinks links_;
  ServerTable servers_;
  Dispatcher dispatcher_;
  ServerTransport server_transport_;
  ClientTransport client_transport_;
  // Commands that wait until the state of a peer changes.
  struct PeerWait {
    std::uint32_t place;
    std::uint32_t known;
    std::uint64_t peer;
    Nanos deadline;
    bool connect;
  };
  std::vector<PeerWait> peer_waits_;
  Nanos next_peer_wait_ = kNever;  // the earliest deadline
  bool closing_ = false;           // a server may have become closed
  Nanos now_ = 0;                  // of this turn
  bool event_ = false;             // came since the last turn
  bool unfinished_ = false;        // the last turn left something
  bool settled_ = false;           // a turn like the last one would do nothing
  Nanos next_ = 0;                 // what the last such one returned
  std::uint64_t flushed_ = 0;      // packets that were sent before a flush
  HostMessage message_;            // being handled
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ENGINE_H_
