// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/answers.h"

#include <cstring>

namespace lauberhorn::nic {

Answers::Answers(const RegionOptions& region, std::uint32_t most_calls,
                 ChannelTable& channels, Counters& counters)
    : calls_(region.own_calls),
      most_calls_(most_calls),
      channels_(channels),
      counters_(counters),
      places_(calls_ + std::size_t{kCommands} * region.endpoints),
      bodies_(new KeptBody[places_.size()]),
      queues_(region.endpoints) {
  waiting_.reserve(region.endpoints);
}

bool Answers::Take(std::uint32_t call, std::uint64_t handle,
                   std::uint32_t channel) {
  Place& place = places_[call];
  if (place.state != kFree) return false;
  place.was_cancelled =
      place.cancel && place.cancelled == lh_handle_generation(handle);
  place.cancel = false;
  place.call = handle;
  place.data = 0;
  place.channel = channel;
  place.kind = LH_KIND_REPLY;
  place.state = kTaken;
  ++open_;
  return true;
}

void Answers::Cancel(std::uint32_t call, std::uint64_t handle) {
  Place& place = places_[call];
  const std::uint32_t generation = lh_handle_generation(handle);
  // Generations wrap: what is up to half the circle ahead is to come.
  const auto ahead =
      static_cast<std::int32_t>(generation - lh_handle_generation(place.call));
  const bool comes_again = place.kind == LH_KIND_BUSY && ahead == 0;
  if (ahead <= 0 && !comes_again) return;  // it has ended
  place.cancel = true;
  place.cancelled = generation;
}

void Answers::End(std::uint32_t call, std::uint8_t status, const Body& body) {
  places_[call].status = status;
  Answer(call, body);
}

void Answers::Busy(std::uint32_t call) {
  counters_.outgoing_busy.Add();
  places_[call].kind = LH_KIND_BUSY;
  places_[call].status = 0;
  --open_;
  Answer(call, {});
}

std::uint32_t Answers::TakeForCommand(std::uint32_t channel,
                                      std::uint64_t command) {
  const std::uint32_t first = calls_ + kCommands * (channel / 2);
  for (std::uint32_t number = first; number < first + kCommands; ++number) {
    Place& place = places_[number];
    if (place.state != kFree) continue;
    place.call = command;
    place.channel = channel;
    place.kind = LH_KIND_RESULT;
    place.state = kTaken;
    return number;
  }
  return kNone;
}

void Answers::Result(std::uint32_t place, std::uint8_t status,
                     std::uint64_t data, absl::Span<const std::uint8_t> text) {
  places_[place].status = status;
  places_[place].data = data;
  Answer(place, text);
}

void Answers::Answer(std::uint32_t number, const Body& body) {
  Place& place = places_[number];
  Queue& queue = QueueOf(place.channel);
  // Nothing overtakes what waits already; nobody waits on a lane that is gone.
  if ((queue.first == kNone && Deliver(place, body)) ||
      channels_.IsGone(place.channel)) {
    return Free(number);
  }
  counters_.answers_waited.Add();
  place.state = kWaits;
  place.next = kNone;
  place.size = Keep(body, &bodies_[number]);
  if (queue.first == kNone) {
    queue.first = number;
    waiting_.push_back(place.channel);
    channels_.SetBacklog(place.channel, true);
  } else {
    places_[queue.last].next = number;
  }
  queue.last = number;
}

bool Answers::Deliver(const Place& place, const Body& body) {
  lh_message header = {};
  header.kind = place.kind;
  header.call = place.call;
  header.code = place.status;
  header.data = place.data;
  return channels_.DeliverBody(place.channel, header, body);
}

void Answers::Free(std::uint32_t number) {
  places_[number].state = kFree;
  if (places_[number].kind == LH_KIND_REPLY) --open_;
}

bool Answers::Drain(std::uint32_t channel) {
  Queue& queue = QueueOf(channel);
  bool delivered = false;
  while (queue.first != kNone) {
    const Place& place = places_[queue.first];
    if (Deliver(place, Kept(bodies_[queue.first], place.size))) {
      delivered = true;
    } else if (!channels_.IsGone(channel)) {
      break;
    }
    Free(queue.first);
    queue.first = place.next;
  }
  return delivered;
}

bool Answers::DeliverWaiting() {
  bool delivered = false;
  std::size_t kept = 0;
  for (const std::uint32_t channel : waiting_) {
    delivered = Drain(channel) || delivered;
    if (QueueOf(channel).first != kNone) {
      waiting_[kept++] = channel;
    } else {
      channels_.SetBacklog(channel, false);
    }
  }
  waiting_.resize(kept);
  return delivered;
}

bool Answers::CanDeliver() const {
  for (const std::uint32_t channel : waiting_) {
    if (channels_.HasRoom(channel)) return true;
  }
  return false;
}

}  // namespace lauberhorn::nic
