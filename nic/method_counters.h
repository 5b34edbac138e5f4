// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/method_counters.h
//
// How often each method was called, how that ended, and how long it took; one
// table for the methods that a process serves, one for those that it calls.
//
// Written by the thread that polls the engine, read by any. A method is added
// by a control command, which allocates, and stays: a reader that sees the size
// (acquire) sees whole entries. Counting allocates nothing.
#ifndef LAUBERHORN_NIC_METHOD_COUNTERS_H_
#define LAUBERHORN_NIC_METHOD_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "nic/counters.h"
#include "nic/time.h"

namespace lauberhorn::nic {

class MethodCounters {
 public:
  static constexpr std::size_t kStatuses = 17;  // those of gRPC

  MethodCounters(std::uint64_t id, absl::string_view name)
      : id_(id), name_(name) {}

  std::uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }

  // A call has ended with this status; one that does not exist counts as
  // UNKNOWN.
  void Ended(std::uint8_t status) {
    constexpr std::size_t kUnknown = 2;
    ended_[status < kStatuses ? status : kUnknown].Add();
  }

  // A call took so long.
  void Took(Nanos time) {
    timed_.Add();
    time_.Add(time);
    if (time > longest_.value()) longest_.Add(time - longest_.value());
  }

  std::uint64_t ended(std::size_t status) const {
    return ended_[status].value();
  }
  std::uint64_t timed() const { return timed_.value(); }
  Nanos time() const { return time_.value(); }  // of all that were timed
  Nanos longest() const { return longest_.value(); }

 private:
  const std::uint64_t id_;
  const std::string name_;
  std::array<Counter, kStatuses> ended_;
  Counter timed_;
  Counter time_;
  Counter longest_;
};

class MethodCounterTable {
 public:
  // More methods are called, but not counted one by one.
  static constexpr std::uint32_t kMax = 4096;

  MethodCounterTable() : methods_(new std::unique_ptr<MethodCounters>[kMax]) {}

  // The counters of the method with this name, new or known; null if there are
  // too many.
  MethodCounters* Add(std::uint64_t id, absl::string_view name) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) return known->second;
    const std::uint32_t number = size_.load(std::memory_order_relaxed);
    if (number == kMax) return nullptr;
    methods_[number] = std::make_unique<MethodCounters>(id, name);
    MethodCounters* const method = methods_[number].get();
    by_name_.emplace(method->name(), method);
    size_.store(number + 1, std::memory_order_release);
    return method;
  }

  // For readers.
  std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  const MethodCounters& at(std::uint32_t number) const {
    return *methods_[number];
  }

 private:
  const std::unique_ptr<std::unique_ptr<MethodCounters>[]> methods_;
  std::atomic<std::uint32_t> size_{0};
  // Names are those of the entries, which never move.
  absl::flat_hash_map<absl::string_view, MethodCounters*> by_name_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_METHOD_COUNTERS_H_
