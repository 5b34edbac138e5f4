// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What it costs to make a packet and to check one, by its payload's size, with
// the checksum and, as between ends that share memory, without.

#include "nic/packet.h"

#include <benchmark/benchmark.h>

#include <cstdint>

namespace lauberhorn::nic {
namespace {

lh_packet CallHeader() {
  lh_packet header = {};
  header.type = LH_PACKET_CALL;
  header.flags = LH_PACKET_FLAG_LAST;
  header.token = 1;
  header.sequence = 1;
  return header;
}

void Seal(benchmark::State& state, Checksum checksum) {
  const std::uint8_t payload[kMaxPayload] = {};
  const PacketBody body = {
      .payload = {payload, static_cast<std::size_t>(state.range(0))}};
  const lh_packet header = CallHeader();
  for (auto _ : state) {
    OutgoingPacket packet;
    packet.header = header;
    benchmark::DoNotOptimize(packet.Seal(body, checksum).data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void Parse(benchmark::State& state, Checksum checksum) {
  const std::uint8_t payload[kMaxPayload] = {};
  OutgoingPacket packet;
  packet.header = CallHeader();
  const absl::Span<const std::uint8_t> bytes = packet.Seal(
      {.payload = {payload, static_cast<std::size_t>(state.range(0))}},
      checksum);
  for (auto _ : state) {
    const std::optional<Packet> parsed = ParsePacket(bytes, checksum);
    if (!parsed.has_value()) state.SkipWithError("it was refused");
    benchmark::DoNotOptimize(parsed);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

BENCHMARK_CAPTURE(Seal, Crc32c, Checksum::kCrc32c)->Arg(8)->Arg(64)->Arg(1392);
BENCHMARK_CAPTURE(Seal, None, Checksum::kNone)->Arg(8)->Arg(64)->Arg(1392);
BENCHMARK_CAPTURE(Parse, Crc32c, Checksum::kCrc32c)->Arg(8)->Arg(64)->Arg(1392);
BENCHMARK_CAPTURE(Parse, None, Checksum::kNone)->Arg(8)->Arg(64)->Arg(1392);

}  // namespace
}  // namespace lauberhorn::nic
