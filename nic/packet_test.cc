// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Packets: what is made comes back, and nothing that is wrong in any way does.

#include "nic/packet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "isa-l/crc.h"

namespace lauberhorn::nic {
namespace {

using Bytes = std::vector<std::uint8_t>;

lh_packet FullHeader() {
  lh_packet header = {};
  header.type = LH_PACKET_REPLY;
  header.token = 0x1122334455667788;
  header.slot = 7;
  header.flags = LH_PACKET_FLAG_LAST;
  header.sequence = 0xfffffffe;
  header.method = 0x8877665544332211;
  header.remaining_us = 123;
  header.sent_us = 456;
  header.echo_us = 789;
  header.message = 1;
  header.message_length = 2;
  header.offset = 3;
  header.credit = 4;
  header.ack = 5;
  header.ack_bits = 6;
  header.status = 16;
  header.load = 255;
  header.slots = 8;
  return header;
}

Bytes Sequence(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  }
  return bytes;
}

Bytes Seal(const lh_packet& header, const Bytes& payload) {
  Bytes bytes(LH_PACKET_MAX);
  bytes.resize(SealPacket(header, {.payload = payload}, bytes.data()));
  return bytes;
}

Bytes SealBody(const PacketBody& body) {
  Bytes bytes(LH_PACKET_MAX);
  bytes.resize(SealPacket(FullHeader(), body, bytes.data()));
  return bytes;
}

// Changes the header of a good packet and gives it the checksum that makes it
// good again, but for the change.
Bytes Reseal(Bytes packet, const std::function<void(lh_packet&)>& change) {
  lh_packet header;
  std::memcpy(&header, packet.data(), sizeof(header));
  change(header);
  header.checksum = 0;
  std::memcpy(packet.data(), &header, sizeof(header));
  header.checksum =
      ~crc32_iscsi(packet.data(), static_cast<int>(packet.size()), ~0u);
  std::memcpy(packet.data(), &header, sizeof(header));
  return packet;
}

TEST(PacketTest, RoundTripsEverySize) {
  for (std::size_t size = 0; size <= kMaxPayload; ++size) {
    const Bytes payload = Sequence(size);
    const Bytes bytes = Seal(FullHeader(), payload);
    ASSERT_EQ(bytes.size(), sizeof(lh_packet) + size);
    const std::optional<Packet> packet = ParsePacket(bytes);
    ASSERT_TRUE(packet.has_value()) << size;
    EXPECT_TRUE(packet->meta.empty());
    ASSERT_EQ(Bytes(packet->payload.begin(), packet->payload.end()), payload);
    lh_packet expected = FullHeader();
    expected.magic = LH_PACKET_MAGIC;
    expected.version = LH_PACKET_VERSION;
    expected.payload_length = static_cast<std::uint16_t>(size);
    expected.checksum = packet->header.checksum;
    EXPECT_EQ(std::memcmp(&packet->header, &expected, sizeof(expected)), 0);
  }
}

TEST(PacketTest, SealIgnoresWhatItFillsIn) {
  lh_packet header = FullHeader();
  header.magic = 1;
  header.version = 2;
  header.checksum = 3;
  header.meta_length = 4;
  header.payload_length = 5;
  header.flags |= LH_PACKET_FLAG_NAME | LH_PACKET_FLAG_META;
  EXPECT_EQ(Seal(header, Sequence(9)), Seal(FullHeader(), Sequence(9)));
}

TEST(PacketTest, ResealedPacketIsGood) {
  const Bytes good = Seal(FullHeader(), Sequence(10));
  EXPECT_EQ(Reseal(good, [](lh_packet&) {}), good);
}

TEST(PacketTest, SplitsMetadataFromPayload) {
  const Bytes bytes =
      Reseal(Seal(FullHeader(), Sequence(10)), [](lh_packet& header) {
        header.flags |= LH_PACKET_FLAG_META;
        header.meta_length = 4;
        header.payload_length = 6;
      });
  const std::optional<Packet> packet = ParsePacket(bytes);
  ASSERT_TRUE(packet.has_value());
  const Bytes all = Sequence(10);
  EXPECT_EQ(Bytes(packet->meta.begin(), packet->meta.end()),
            Bytes(all.begin(), all.begin() + 4));
  EXPECT_EQ(Bytes(packet->payload.begin(), packet->payload.end()),
            Bytes(all.begin() + 4, all.end()));
}

TEST(PacketTest, CarriesNameMetadataAndPayload) {
  const Bytes payload = Sequence(9);
  for (const std::size_t length : {0u, 1u, 20u, 255u}) {
    for (const std::size_t meta_size : {0u, 5u}) {
      const std::string name(length, 'n');
      const Bytes meta = Sequence(meta_size);
      const PacketBody body = {.name = name, .meta = meta, .payload = payload};
      const Bytes bytes = SealBody(body);
      EXPECT_EQ(bytes.size(), sizeof(lh_packet) + body.size());
      const std::optional<Packet> packet = ParsePacket(bytes);
      ASSERT_TRUE(packet.has_value()) << length;
      EXPECT_EQ(packet->name, name);
      EXPECT_EQ(Bytes(packet->meta.begin(), packet->meta.end()), meta);
      EXPECT_EQ(Bytes(packet->payload.begin(), packet->payload.end()), payload);
      EXPECT_EQ(packet->header.flags,
                LH_PACKET_FLAG_LAST | (length > 0 ? LH_PACKET_FLAG_NAME : 0) |
                    (meta_size > 0 ? LH_PACKET_FLAG_META : 0));
    }
  }
}

TEST(PacketTest, MetadataIsWhatTheFlagsSay) {
  // A name of 3 bytes, then 2 bytes of the caller.
  const Bytes meta = {3, 'a', '/', 'b', 8, 9};
  struct Case {
    unsigned flags;
    std::uint16_t meta_length;
    bool good;
  };
  const Case cases[] = {
      {0, 0, true},
      {0, 1, false},
      {LH_PACKET_FLAG_META, 0, false},
      {LH_PACKET_FLAG_META, 1, true},
      {LH_PACKET_FLAG_META, 6, true},
      {LH_PACKET_FLAG_NAME, 0, false},
      {LH_PACKET_FLAG_NAME, 1, false},
      {LH_PACKET_FLAG_NAME, 3, false},
      {LH_PACKET_FLAG_NAME, 4, true},
      {LH_PACKET_FLAG_NAME, 5, false},
      {LH_PACKET_FLAG_NAME | LH_PACKET_FLAG_META, 4, false},
      {LH_PACKET_FLAG_NAME | LH_PACKET_FLAG_META, 5, true},
      {LH_PACKET_FLAG_NAME | LH_PACKET_FLAG_META, 6, true},
  };
  for (const Case& test : cases) {
    const auto change = [&](lh_packet& header) {
      header.flags = static_cast<std::uint16_t>(test.flags);
      header.meta_length = test.meta_length;
      header.payload_length =
          static_cast<std::uint16_t>(meta.size() - test.meta_length);
    };
    Bytes bytes = Reseal(Seal(FullHeader(), meta), change);
    EXPECT_EQ(ParsePacket(bytes).has_value(), test.good)
        << test.flags << " " << test.meta_length;
    // A name has at least one byte.
    bytes[sizeof(lh_packet)] = 0;
    EXPECT_EQ(ParsePacket(Reseal(bytes, change)).has_value(),
              test.good && (test.flags & LH_PACKET_FLAG_NAME) == 0)
        << test.flags << " " << test.meta_length;
  }
}

TEST(PacketTest, AcceptsEveryTypeFlagAndStatusThatExists) {
  const Bytes good = Seal(FullHeader(), Sequence(10));
  for (std::uint8_t type = 1; type < LH_PACKET_TYPES; ++type) {
    EXPECT_TRUE(ParsePacket(Reseal(good, [&](lh_packet& header) {
                  header.type = type;
                })).has_value());
  }
  const Bytes with_meta = Seal(FullHeader(), Bytes(10, 1));
  for (std::uint16_t flags = 0; flags <= LH_PACKET_FLAGS; ++flags) {
    EXPECT_TRUE(ParsePacket(Reseal(with_meta, [&](lh_packet& header) {
                  header.flags = flags;
                  // As much of it as the flags speak of.
                  const bool name = (flags & LH_PACKET_FLAG_NAME) != 0;
                  const bool meta = (flags & LH_PACKET_FLAG_META) != 0;
                  header.meta_length = static_cast<std::uint16_t>(
                      (name ? 2 : 0) + (meta ? 1 : 0));
                  header.payload_length =
                      static_cast<std::uint16_t>(10 - header.meta_length);
                })).has_value());
  }
  for (std::uint8_t status = 0; status <= 16; ++status) {
    EXPECT_TRUE(ParsePacket(Reseal(good, [&](lh_packet& header) {
                  header.status = status;
                })).has_value());
  }
}

TEST(PacketTest, RefusesEveryMalformedField) {
  const std::vector<std::pair<std::string, std::function<void(lh_packet&)>>>
      changes = {
          {"magic", [](lh_packet& h) { h.magic = LH_PACKET_MAGIC + 1; }},
          {"version", [](lh_packet& h) { h.version = 2; }},
          {"version 0", [](lh_packet& h) { h.version = 0; }},
          {"type 0", [](lh_packet& h) { h.type = 0; }},
          {"type", [](lh_packet& h) { h.type = LH_PACKET_TYPES; }},
          {"type 255", [](lh_packet& h) { h.type = 255; }},
          {"flags", [](lh_packet& h) { h.flags = LH_PACKET_FLAGS + 1; }},
          {"flags high", [](lh_packet& h) { h.flags = 0x8000; }},
          {"status", [](lh_packet& h) { h.status = 17; }},
          {"payload short", [](lh_packet& h) { h.payload_length = 9; }},
          {"payload long", [](lh_packet& h) { h.payload_length = 11; }},
          {"meta", [](lh_packet& h) { h.meta_length = 1; }},
          {"lengths wrap",
           [](lh_packet& h) {
             h.meta_length = 0xffff;
             h.payload_length = 11;
           }},
      };
  const Bytes good = Seal(FullHeader(), Sequence(10));
  for (const auto& [name, change] : changes) {
    EXPECT_FALSE(ParsePacket(Reseal(good, change)).has_value()) << name;
  }
  Bytes bad_checksum = good;
  bad_checksum[offsetof(lh_packet, checksum)] ^= 1;
  EXPECT_FALSE(ParsePacket(bad_checksum).has_value());
}

TEST(PacketTest, RefusesEveryOtherLength) {
  Bytes packet = Seal(FullHeader(), Sequence(kMaxPayload));
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_FALSE(ParsePacket({packet.data(), size}).has_value()) << size;
  }
  packet.push_back(0);
  EXPECT_FALSE(ParsePacket(packet).has_value());
  // Even if the checksum and the lengths say so.
  EXPECT_FALSE(ParsePacket(Reseal(packet, [](lh_packet& header) {
                 header.payload_length = kMaxPayload + 1;
               })).has_value());
}

TEST(PacketTest, RefusesEveryFlippedBit) {
  for (const std::size_t size : {0u, 1u, 64u, 200u}) {
    Bytes packet = Seal(FullHeader(), Sequence(size));
    for (std::size_t bit = 0; bit < 8 * packet.size(); ++bit) {
      packet[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_FALSE(ParsePacket(packet).has_value()) << "bit " << bit;
      packet[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    ASSERT_TRUE(ParsePacket(packet).has_value());
  }
}

TEST(PacketTest, SurvivesRandomBytes) {
  std::mt19937_64 random(1);
  int parsed = 0;
  for (int round = 0; round < 20'000; ++round) {
    // Random in all, or a good start, so that the later checks are reached too.
    Bytes packet(random() % (LH_PACKET_MAX + 2));
    for (std::uint8_t& byte : packet) {
      byte = static_cast<std::uint8_t>(random());
    }
    if (packet.size() >= sizeof(lh_packet) && round % 2 == 0) {
      const std::size_t body = packet.size() - sizeof(lh_packet);
      if (body > 0 && round % 4 == 0) {
        // The length of a name that may well fit.
        packet[sizeof(lh_packet)] = static_cast<std::uint8_t>(random() % 4);
      }
      packet = Reseal(packet, [&](lh_packet& header) {
        header.magic = LH_PACKET_MAGIC;
        header.version = LH_PACKET_VERSION;
        header.type %= 20;
        header.flags &= 0xf;
        header.status %= 20;
        header.meta_length = static_cast<std::uint16_t>(
            random() %
            (round % 8 < 4 ? std::min<std::size_t>(body + 1, 6) : body + 1));
        header.payload_length = static_cast<std::uint16_t>(
            packet.size() - sizeof(lh_packet) - header.meta_length);
      });
    }
    const std::optional<Packet> result = ParsePacket(packet);
    if (!result.has_value()) continue;
    ++parsed;
    const PacketBody body = {
        .name = result->name, .meta = result->meta, .payload = result->payload};
    EXPECT_EQ(sizeof(lh_packet) + body.size(), packet.size());
    EXPECT_EQ(result->payload.data() + result->payload.size(),
              packet.data() + packet.size());
    EXPECT_LE(result->header.status, 16);
    EXPECT_GE(result->header.type, 1);
    EXPECT_LT(result->header.type, LH_PACKET_TYPES);
  }
  EXPECT_GT(parsed, 1000);
}

TEST(PacketTest, OpenHasItsSizeAndNoOther) {
  const lh_open open = {1, 2, 3, 4, 5, 6};
  Bytes payload(sizeof(open));
  std::memcpy(payload.data(), &open, sizeof(open));
  Packet packet = {.header = FullHeader(), .meta = {}, .payload = payload};
  const absl::optional<lh_open> parsed = ParseOpen(packet);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(std::memcmp(&*parsed, &open, sizeof(open)), 0);
  payload.resize(2 * sizeof(open));
  for (std::size_t size = 0; size <= payload.size(); ++size) {
    packet.payload = {payload.data(), size};
    EXPECT_EQ(ParseOpen(packet).has_value(), size == sizeof(open)) << size;
  }
}

}  // namespace

TEST(PacketTest, MemoryNeedsNoChecksum) {
  const std::uint8_t payload[] = {1, 2, 3};
  std::uint8_t bytes[LH_PACKET_MAX];
  lh_packet header = {};
  header.type = LH_PACKET_CALL;
  const std::size_t size =
      SealPacket(header, {.payload = payload}, bytes, Checksum::kNone);
  const std::optional<Packet> packet =
      ParsePacket({bytes, size}, Checksum::kNone);
  ASSERT_TRUE(packet.has_value());
  EXPECT_EQ(packet->header.checksum, 0u);
  EXPECT_EQ(packet->payload.size(), sizeof(payload));
  EXPECT_FALSE(ParsePacket({bytes, size}).has_value());
  // It may get one later.
  AddChecksum(absl::MakeSpan(bytes, size));
  EXPECT_TRUE(ParsePacket({bytes, size}).has_value());
}

}  // namespace lauberhorn::nic
