// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A server's links against clients that say anything: at the door (LOCAL), as a
// knock, and when they have a link, into its memory and its socket. Doors are
// those of a UDP port, and sockets that have names. A client is sent any DOOR.
//
// Holds: a link opens for a knock that is as it should be, and for no other;
// what is taken from a link is a packet that can be looked at; who hangs up, or
// breaks the contract, is gone after some turns.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nic/local_links.h"
#include "nic/local_socket.h"
#include "nic/testing/fuzz_input.h"

namespace lauberhorn::nic {
namespace {

using testing::FuzzInput;
using testing::Require;

constexpr int kSteps = 100;
constexpr std::size_t kMaxPeers = 8;
// Turns until a link that has ended must be gone: what it says last is bounded.
constexpr int kLastTurns = 3000;

Address Loopback(std::uint16_t port) {
  lh_address raw = {};
  raw.ip[10] = raw.ip[11] = 0xff;
  raw.ip[12] = 127;
  raw.ip[15] = 1;
  raw.port = port;
  return Address(raw);
}

class Fuzz {
 public:
  Fuzz(const FuzzInput& input, LocalLinks::Way way)
      : input_(input), way_(way), server_(way) {
    Require(server_.Open().ok() && client_->Open().ok(), "the system refuses");
    if (way_ == LocalLinks::Way::kUdp) {
      door_ = Ask(from_, sizeof(lh_door)).value();
      return;
    }
    Descriptor listener;
    Require(ListenAt(name_, &listener) == 0 &&
                server_.OpenDoor(std::move(listener)).ok(),
            "the system refuses");
  }

  void Run() {
    for (int step = 0; step < kSteps && !input_.empty(); ++step) {
      switch (input_.Below(8)) {
        case 0:
          Question();
          break;
        case 1:
          Answer();
          break;
        case 2:
        case 3:
          Knock();
          break;
        case 4:
          if (Peer* const peer = AnyPeer()) Scribble(*peer);
          break;
        case 5:
          if (Peer* const peer = AnyPeer()) Say(*peer);
          break;
        case 6:
          if (!peers_.empty()) {
            peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(
                                              input_.Below(peers_.size())));
          }
          break;
        default:
          Give();
      }
      Turn();
    }
    peers_.clear();
    client_.reset();  // a DOOR may have let it in
    for (int turn = 0; turn < kLastTurns && server_.count() > 0; ++turn) Turn();
    Require(server_.count() == 0, "who hung up is gone");
  }

 private:
  struct Peer {
    Descriptor socket;
    std::unique_ptr<LinkMemory> memory;  // null if it brought another
  };

  // So many; zeros when there are no more.
  std::vector<std::uint8_t> Bytes(std::size_t size) {
    const absl::Span<const std::uint8_t> taken = input_.Bytes(size);
    std::vector<std::uint8_t> bytes(taken.begin(), taken.end());
    bytes.resize(size);
    return bytes;
  }
  // As FuzzInput::Below(), of more.
  std::size_t Number(std::size_t count) {
    return input_.Take<std::uint16_t>() % count;
  }

  Peer* AnyPeer() {
    return peers_.empty() ? nullptr : &peers_[input_.Below(peers_.size())];
  }

  std::optional<lh_door> Ask(const Address& from, std::size_t size) {
    const std::vector<std::uint8_t> payload(size);
    Packet packet;
    packet.header = {};
    packet.header.type = LH_PACKET_LOCAL;
    packet.header.ack_bits = 7;
    packet.payload = payload;
    const auto answer = server_.OnAsk(packet, from);
    if (!answer) return std::nullopt;
    Require(answer->type == LH_PACKET_DOOR && answer->number == 7,
            "a question has an answer");
    return answer->door;
  }

  void Question() {
    if (way_ != LocalLinks::Way::kUdp) return;
    const std::size_t size =
        input_.Below(2) == 0 ? sizeof(lh_door) : input_.Below(128);
    Address from = from_;
    if (input_.Below(2) == 0) {
      lh_address raw;
      const std::vector<std::uint8_t> bytes = Bytes(sizeof(raw));
      std::memcpy(&raw, bytes.data(), sizeof(raw));
      from = Address(raw);
    }
    const auto door = Ask(from, size);
    Require(!door || size == sizeof(lh_door), "other sizes are not answered");
  }

  // To a client that has asked, or not.
  void Answer() {
    std::uint64_t number = input_.Byte();
    if (input_.Below(2) == 0) {
      if (const auto question = client_->Ask(Loopback(1))) {
        number = question->number;
      }
    }
    std::vector<std::uint8_t> payload =
        Bytes(input_.Below(2) == 0 ? sizeof(lh_door) : input_.Below(80));
    if (way_ == LocalLinks::Way::kUdp && payload.size() == sizeof(door_) &&
        input_.Below(2) == 0) {
      std::memcpy(payload.data(), &door_, sizeof(door_));
    }
    Packet packet;
    packet.header = {};
    packet.header.type = LH_PACKET_DOOR;
    packet.header.ack_bits = number;
    packet.payload = payload;
    client_->OnDoor(packet,
                    Loopback(static_cast<std::uint16_t>(1 + input_.Below(2))));
    client_->LookAtEvents();
  }

  lh_knock GoodKnock() const {
    lh_knock knock = {};
    knock.version = LH_LINK_VERSION;
    knock.size = LH_LINK_SIZE;
    if (way_ == LocalLinks::Way::kUdp) {
      knock.from = door_.from;
      knock.time = door_.time;
      knock.cookie = door_.cookie;
    }
    return knock;
  }

  // A file that is the memory of a link, or not; whether it is.
  bool File(Descriptor* file, std::unique_ptr<LinkMemory>* memory) {
    switch (input_.Below(8)) {
      case 0:
        return false;
      case 1:
        *file = Descriptor(open("/dev/null", O_RDWR | O_CLOEXEC));
        return false;
      case 2: {  // of any size, and with any seals
        *file =
            Descriptor(memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        const int seals = static_cast<int>(input_.Below(32));
        const auto size = static_cast<off_t>(
            input_.Below(3) == 0 ? LH_LINK_SIZE : 4096 * input_.Below(32));
        if (ftruncate(file->get(), size) != 0) return false;
        (void)fcntl(file->get(), F_ADD_SEALS, seals);
        const int set = fcntl(file->get(), F_GET_SEALS);
        constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        // One that nobody may write to is of no use either.
        return size == LH_LINK_SIZE && (set & kNeeded) == kNeeded &&
               (set & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0;
      }
      default:
        *memory = LinkMemory::Make(file);
        return true;
    }
  }

  // Eventfds, or not; or fewer than two.
  LinkBells Bells() {
    LinkBells bells;
    const std::uint64_t kind = input_.Below(8);
    if (kind < 4) return bells;
    bells = LinkBells::Make();
    if (kind == 5) bells.mine = Descriptor();
    if (kind == 6) {
      bells.peers = Descriptor(open("/dev/null", O_RDWR | O_NONBLOCK));
    }
    return bells;
  }

  void Knock() {
    if (peers_.size() == kMaxPeers) peers_.erase(peers_.begin());
    Turn();
    Peer peer;
    if (way_ == LocalLinks::Way::kUdp) {
      DoorName name;
      std::memcpy(name.data(), door_.name, name.size());
      peer.socket = ConnectToDoor(name);
    } else {
      (void)ConnectTo(name_, &peer.socket);
    }
    if (!peer.socket.ok()) return;
    Descriptor file;
    bool good = File(&file, &peer.memory);
    std::vector<int> brings;
    if (file.ok()) brings.push_back(file.get());
    const LinkBells bells = Bells();
    if (bells.mine.ok()) brings.push_back(bells.mine.get());
    if (bells.peers.ok()) brings.push_back(bells.peers.get());
    good = good && (brings.size() == 1 || bells.ok());
    lh_knock knock = GoodKnock();
    std::vector<std::uint8_t> bytes(sizeof(knock));
    std::memcpy(bytes.data(), &knock, sizeof(knock));
    for (std::uint64_t changes = input_.Below(3); changes > 0; --changes) {
      std::uint8_t& byte = bytes[input_.Below(bytes.size())];
      byte = static_cast<std::uint8_t>(byte ^ input_.Byte());
    }
    if (input_.Below(4) == 0) bytes.resize(input_.Below(2 * sizeof(knock)));
    good = good && IsGood(bytes);
    if (!SendMessage(peer.socket.get(), bytes, brings)) return;
    server_.LookAtEvents();
    Require(IsOpen(peer) == good, "a link opens for a good knock alone");
    peers_.push_back(std::move(peer));
  }

  // By UDP it is told so; else it is not hung up on.
  bool IsOpen(const Peer& peer) const {
    lh_knocked answer;
    const Received received = ReceiveMessage(
        peer.socket.get(),
        {reinterpret_cast<std::uint8_t*>(&answer), sizeof(answer)});
    return received == (way_ == LocalLinks::Way::kUdp ? Received::kMessage
                                                      : Received::kNothing);
  }

  bool IsGood(const std::vector<std::uint8_t>& bytes) const {
    lh_knock knock;
    if (bytes.size() != sizeof(knock)) return false;
    std::memcpy(&knock, bytes.data(), sizeof(knock));
    const lh_knock good = GoodKnock();
    if (knock.version != good.version || knock.size != good.size) return false;
    return way_ == LocalLinks::Way::kSocket ||
           (std::memcmp(&knock.from, &good.from, sizeof(good.from)) == 0 &&
            knock.time == good.time && knock.cookie == good.cookie);
  }

  // Somewhere in the memory, or where words and lengths are.
  void Scribble(Peer& peer) {
    if (peer.memory == nullptr) return;
    std::size_t at = Number(LH_LINK_SIZE / 8) * 8;
    if (input_.Below(2) == 0) {
      at = LH_LINK_LANE(input_.Below(2)) +
           input_.Below(LH_LINK_SLOTS) * LH_LINK_STRIDE;
    }
    const std::vector<std::uint8_t> bytes =
        Bytes(std::min<std::size_t>(1 + input_.Below(64), LH_LINK_SIZE - at));
    std::memcpy(peer.memory->base() + at, bytes.data(), bytes.size());
  }

  void Say(Peer& peer) {
    std::size_t size = input_.Below(4);
    if (size > 1) size = Number(2 * LH_PACKET_MAX);
    const std::vector<std::uint8_t> bytes(size, input_.Byte());
    (void)send(peer.socket.get(), bytes.data(), bytes.size(),
               MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  // To the last that has come; it may have ended since.
  void Give() {
    const std::vector<std::uint8_t> packet(1 + Number(LH_PACKET_MAX));
    const Address to =
        way_ == LocalLinks::Way::kUdp
            ? from_
            : Address::OfSocket(
                  geteuid(), static_cast<std::uint32_t>(1 + input_.Below(8)));
    (void)server_.Put(to, packet);
    if (way_ == LocalLinks::Way::kSocket) (void)server_.PutInSocket(to, packet);
    server_.Ring();
  }

  void Turn() {
    server_.Release();
    server_.LookAtEvents();
    Datagram batch[Wire::kBatch];
    const std::size_t count = server_.Take(absl::MakeSpan(batch));
    for (std::size_t at = 0; at < count; ++at) {
      Require(
          !batch[at].bytes.empty() && batch[at].bytes.size() <= LH_PACKET_MAX,
          "a packet has a size that it can have");
      (void)ParsePacket(batch[at].bytes, batch[at].checksum);
    }
    (void)server_.Gone();
    if (server_.Sleep()) server_.Awake();
  }

  FuzzInput input_;
  const LocalLinks::Way way_;
  const Address from_ = Loopback(4711);
  const SocketName name_ = *SocketName::From(
      absl::StrCat(absl::string_view("\0", 1), "lauberhorn-fuzz-", getpid()));
  LocalLinks server_;
  std::unique_ptr<LocalLinks> client_ = std::make_unique<LocalLinks>();
  lh_door door_ = {};
  std::vector<Peer> peers_;
};

}  // namespace
}  // namespace lauberhorn::nic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using lauberhorn::nic::Fuzz;
  using lauberhorn::nic::LocalLinks;
  lauberhorn::nic::testing::FuzzInput input(data, size);
  const bool udp = input.Below(2) == 0;
  Fuzz(input, udp ? LocalLinks::Way::kUdp : LocalLinks::Way::kSocket).Run();
  return 0;
}
