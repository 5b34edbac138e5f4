// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/trace.h
//
// The stations of each call and packet, with times, in a ring that others may
// read while the engine goes on. Off, it costs the engine one load and one
// branch for each station. The time of a station is that of the engine's turn.
//
// One writer, the thread that polls the engine; any number of readers, which
// never make it wait: it overwrites what is old, and they see that they came
// too late. Each entry is a sequence lock: its number is cleared, release
// fence, its words are written (relaxed), its number is set (release); a reader
// takes the number (acquire), the words (relaxed), acquire fence, and believes
// them if the number is still the same.
#ifndef LAUBERHORN_NIC_TRACE_H_
#define LAUBERHORN_NIC_TRACE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "nic/time.h"

namespace lauberhorn::nic {

// X(name, what has happened)
#define LAUBERHORN_NIC_STATIONS(X)                                        \
  X(packet_came, "a packet of this type came")                            \
  X(packet_sent, "a packet of this type was sent")                        \
  X(accepted, "a call of a client was taken in")                          \
  X(queued, "it has to wait for a thread")                                \
  X(delivered, "it was put into the lane of a thread that is awake")      \
  X(woken, "it was put into the lane of a thread that sleeps; woken")     \
  X(staged, "it was put behind a handler that runs")                      \
  X(taken_back, "it was taken back out of the lane")                      \
  X(reply_collected, "the reply was taken from the thread")               \
  X(replied, "the end of the call, with this status, went to the client") \
  X(expired, "its deadline passed")                                       \
  X(cancelled, "the server itself ended it early")                        \
  X(dropped, "its client waits no more")                                  \
  X(put, "a call of this process was taken from its thread")              \
  X(sent, "it was sent")                                                  \
  X(retransmitted, "it was sent again")                                   \
  X(running, "the server said that it runs")                              \
  X(answered, "it ended with this status; the answer goes to its thread")

enum class Station : std::uint8_t {
#define LAUBERHORN_NIC_STATION(name, meaning) name,
  LAUBERHORN_NIC_STATIONS(LAUBERHORN_NIC_STATION)
#undef LAUBERHORN_NIC_STATION
};

absl::string_view NameOf(Station station);

struct TraceRecord {
  static constexpr std::uint32_t kNoEndpoint = 0xffffff;

  Nanos time = 0;
  std::uint64_t call = 0;    // handle; 0 for a packet
  std::uint64_t method = 0;  // id; 0 if it does not matter
  std::uint32_t endpoint = kNoEndpoint;
  Station station = {};
  std::uint8_t detail = 0;  // type of the packet, or status
};

class Trace {
 public:
  static constexpr std::uint64_t kRecords = std::uint64_t{1} << 16;

  Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // The writer's.

  bool on() const { return ring_.load(std::memory_order_relaxed) != nullptr; }

  // The time of what is added until it is said again.
  void set_now(Nanos now) { now_ = now; }

  void Add(Station station, std::uint64_t call, std::uint64_t method,
           std::uint32_t endpoint = TraceRecord::kNoEndpoint,
           std::uint8_t detail = 0) {
    // Acquire: the ring was made by another thread.
    Entry* const ring = ring_.load(std::memory_order_acquire);
    if (ring == nullptr) [[likely]] {
      return;
    }
    Write(ring, station, call, method, endpoint, detail);
  }

  // For any thread. The first Start() takes the memory of the ring, which stays
  // until the end; the trace is on until as many Stop()s have followed.
  void Start();
  void Stop();

  // How many records were written, ever: the next has this number.
  std::uint64_t written() const {
    return written_.load(std::memory_order_acquire);
  }

  // The record of this number, if it is there and was not overwritten while it
  // was read.
  bool Read(std::uint64_t number, TraceRecord* record) const;

 private:
  struct Entry {
    std::atomic<std::uint64_t> number{0};  // of the record, plus one
    std::atomic<std::uint64_t> time{0};
    std::atomic<std::uint64_t> call{0};
    std::atomic<std::uint64_t> method{0};
    std::atomic<std::uint64_t> rest{0};  // endpoint, station, detail
  };
  using Ring = std::array<Entry, kRecords>;

  void Write(Entry* ring, Station station, std::uint64_t call,
             std::uint64_t method, std::uint32_t endpoint, std::uint8_t detail);

  std::atomic<Entry*> ring_{nullptr};  // null: off
  std::atomic<std::uint64_t> written_{0};
  Nanos now_ = 0;
  std::mutex mutex_;  // of readers; the writer never takes it
  std::unique_ptr<Ring> memory_ ABSL_GUARDED_BY(mutex_);
  std::atomic<const Entry*> readable_{nullptr};
  std::uint32_t users_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_TRACE_H_
