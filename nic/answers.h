// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/answers.h
//
// What the process is told on its `call` channels: how its calls ended, which
// of them were not accepted, and what its commands came to.
//
// An answer goes into its lane at once if there is room. Else it waits in a
// queue of its channel, in a place that its call or command took before it was
// accepted. So there always is one, no channel waits for another, and a process
// that fetches nothing gets nothing more accepted.
//
// Hosts take messages without a word to the NIC. While it is awake it looks at
// the next slot of each channel that has a queue, once a turn; for its sleep it
// says that there is one, in the channel's `backlog`, and the host rings before
// it sleeps itself: abi/host/bell.h has the order.
//
// The bytes of an answer that waits have memory of their own rather than the
// request's in ClientTransport, which is done with a call when that has ended,
// and need not know of lanes. It is touched only where a lane was full.
//
// Not thread-safe; allocates at construction only.
#ifndef LAUBERHORN_NIC_ANSWERS_H_
#define LAUBERHORN_NIC_ANSWERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "nic/body.h"
#include "nic/channel_table.h"
#include "nic/counters.h"
#include "nic/packet.h"
#include "nic/region.h"

namespace lauberhorn::nic {

class Answers {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // `most_calls` is how many calls are accepted at a time. The references
  // outlive this.
  Answers(const RegionOptions& region, std::uint32_t most_calls,
          ChannelTable& channels, Counters& counters);

  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  // Calls have the numbers 0 .. calls() - 1, by their index in the process's
  // range.
  std::uint32_t calls() const { return calls_; }

  // Call `call`, with this handle, is to be answered on `channel`. False if its
  // number has not got its last answer yet.
  bool Take(std::uint32_t call, std::uint64_t handle, std::uint32_t channel);

  // Whether there are more calls than are accepted at a time, this one counted.
  bool Exceeded() const { return open_ > most_calls_; }

  // Whether a call of this number has been taken and not ended.
  bool IsOpen(std::uint32_t call) const {
    return places_[call].state == kTaken;
  }

  // The same of the call with this handle.
  bool IsOpen(std::uint32_t call, std::uint64_t handle) const {
    return places_[call].state == kTaken && places_[call].call == handle;
  }

  // A CANCEL names a call that is not open. It may have come before its CALL,
  // which was put on another channel, or was answered BUSY and comes again:
  // remembers it until then.
  void Cancel(std::uint32_t call, std::uint64_t handle);

  // Whether the call that was taken last under this number had been cancelled
  // before.
  bool WasCancelled(std::uint32_t call) const {
    return places_[call].was_cancelled;
  }

  // The call has ended with this status and reply or text, of at most
  // kMaxPayload bytes; or was not accepted. Its number is free as soon as this
  // is in the lane.
  void End(std::uint32_t call, std::uint8_t status, const Body& body);
  void Busy(std::uint32_t call);

  // A place for the result of a command that came on `channel`. kNone if the
  // process has not fetched the results of its last ones there.
  std::uint32_t TakeForCommand(std::uint32_t channel, std::uint64_t command);

  // The command that took `place` has ended.
  void Result(std::uint32_t place, std::uint8_t status, std::uint64_t data,
              absl::Span<const std::uint8_t> text);

  // Delivers what waits, as far as there is room. Returns whether any was.
  bool DeliverWaiting();

  // Whether anything waits for room.
  bool HasWaiting() const { return !waiting_.empty(); }

  // Whether some of it could be delivered now: the last look before the NIC
  // sleeps.
  bool CanDeliver() const;

 private:
  // Commands that a channel may have in work at a time: one that the NIC
  // answers later, and one more for the thread that comes after.
  static constexpr std::uint32_t kCommands = 2;

  enum State : std::uint8_t { kFree, kTaken, kWaits };
  struct Place {
    std::uint64_t call;  // its handle, or the number of the command
    std::uint64_t data;  // of a result
    std::uint32_t channel;
    std::uint32_t next;       // in the queue of the channel
    std::uint32_t cancelled;  // generation, if there is a `cancel`
    BodySize size;
    State state;
    std::uint8_t kind;
    std::uint8_t status;
    bool cancel;         // a CANCEL came before its CALL
    bool was_cancelled;  // and this was it
  };
  struct Queue {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  Queue& QueueOf(std::uint32_t channel) { return queues_[channel / 2]; }
  void Answer(std::uint32_t number, const Body& body);
  bool Deliver(const Place& place, const Body& body);
  // Returns whether any was delivered.
  bool Drain(std::uint32_t channel);
  void Free(std::uint32_t number);

  const std::uint32_t calls_;
  const std::uint32_t most_calls_;
  ChannelTable& channels_;
  Counters& counters_;
  std::vector<Place> places_;  // of calls, then of commands
  std::unique_ptr<KeptBody[]> bodies_;
  std::vector<Queue> queues_;           // by endpoint
  std::vector<std::uint32_t> waiting_;  // channels whose queues are not empty
  std::uint32_t open_ = 0;              // calls that were accepted
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_ANSWERS_H_
