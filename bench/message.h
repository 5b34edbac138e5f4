// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/message.h
//
// What the peers of a benchmark echo: some bytes, or a record of ten fields. A
// peer that has Protocol Buffers fills an EchoMessage for each call. One that
// only carries bytes copies the former as they are, and converts the latter by
// Protocol Buffers, both ways on both sides, as its user would have to.
//
// Thread-safety: a value; const functions from any thread.
#ifndef LAUBERHORN_BENCH_MESSAGE_H_
#define LAUBERHORN_BENCH_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "echo.pb.h"

namespace lauberhorn::bench {

class Message {
 public:
  static constexpr std::size_t kMostBytes = 1400;  // by Write() and Echo()

  static Message Bytes(std::size_t count);
  static Message Record();

  // "64 B", "10 fields".
  std::string name() const;

  bool is_record() const { return is_record_; }
  const std::string& payload() const { return payload_; }

  void Fill(::bench::EchoMessage* message) const;
  bool Is(const ::bench::EchoMessage& message) const;

  // What is in a record, for peers that convert it by other means.
  static constexpr std::uint64_t kId = 20'230'622;
  static constexpr char kName[] = "Ada Augusta King";
  static constexpr char kMail[] = "ada@example.org";
  static constexpr std::int32_t kAge = 36;
  static constexpr double kBalance = 1815.25;
  static constexpr bool kActive = true;
  static constexpr std::uint64_t kCreated = 1'687'392'000'000;
  static constexpr std::int32_t kOffset = -60;
  static constexpr char kDigest[] = "0123456789abcdef";
  static constexpr std::uint32_t kFlags = 5;

  // For peers that carry bytes. `to` has room for kMostBytes, of which the
  // functions return how many they wrote.
  std::size_t Write(std::uint8_t* to) const;
  bool IsIn(absl::Span<const std::uint8_t> bytes) const;

  // What a server does with a request; 0 if it is malformed.
  std::size_t Echo(absl::Span<const std::uint8_t> request,
                   std::uint8_t* to) const;

 private:
  bool is_record_ = false;
  std::string payload_;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_MESSAGE_H_
