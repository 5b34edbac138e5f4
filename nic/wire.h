// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/wire.h
//
// A wire: where packets come from and go to, in batches. No call blocks, and
// none allocates: a wire takes its memory when it is made. A packet that cannot
// be sent is lost, as on any network; the transport sends it again.
//
// Thread-safety: a wire is made and used by one thread. Another one may end it
// when that thread has ended.
#ifndef LAUBERHORN_NIC_WIRE_H_
#define LAUBERHORN_NIC_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/packet.h"
#include "nic/socket_name.h"

namespace lauberhorn::nic {

// One packet that came. Its bytes belong to the wire until its next Receive().
// One that is larger than LH_PACKET_MAX comes cut, but still larger than that,
// so that who parses it refuses it.
struct Datagram {
  absl::Span<const std::uint8_t> bytes;
  Address from;
  Checksum checksum = Checksum::kCrc32c;  // whether it has one
};

class Wire {
 public:
  // The most packets of one Receive().
  static constexpr std::size_t kBatch = 32;

  // Sends what Send() has kept.
  virtual ~Wire() = default;

  // What came, at most one batch; empty if nothing is there. Who wants to sleep
  // until something comes first asks until nothing is there; what it does not
  // tell of then ends that sleep. An empty packet is an element without bytes.
  virtual absl::Span<const Datagram> Receive() = 0;

  // Whether nothing has come since then, as far as a few loads can tell: for
  // who looks again and again. False if only Receive() can tell.
  virtual bool IsQuiet() const { return false; }

  // Sends a packet of at most LH_PACKET_MAX bytes; a larger one is lost. May
  // keep a copy of it until Flush().
  virtual void Send(const Address& to,
                    absl::Span<const std::uint8_t> packet) = 0;

  // Sends what Send() has kept.
  virtual void Flush() = 0;

  // Where nobody listens of the addresses that it sent to, as far as the
  // network has said so since the last call; at most a batch, good until the
  // next one. A hint: packets are lost without one, and anybody can forge it.
  // Costs nothing while nothing is wrong.
  virtual absl::Span<const Address> Unreachable() { return {}; }

  // Whose process has ended, of those that are reached without a network, since
  // the last call; at most a batch, good until the next one. That is certain:
  // what such a process said last has been received.
  virtual absl::Span<const Address> Gone() { return {}; }

  // Who wants to sleep says so after Receive() had nothing: true if it may, and
  // Awake() must follow; false if it must look once more.
  virtual bool TryToSleep() { return true; }
  virtual void Awake() {}

  // Where others reach it.
  virtual Address local() const = 0;

  // Whether packets to there need a checksum.
  virtual Checksum checksum(const Address& /*to*/) const {
    return Checksum::kCrc32c;
  }

  // Where it listens, if that is a socket with a name; else null.
  virtual const SocketName* socket_name() const { return nullptr; }

  // For users: what is at this address, and what it means that it is
  // Unreachable().
  virtual std::string NameOf(const Address& address) const {
    return address.ToString();
  }
  virtual std::string WhyUnreachable(const Address& address) const {
    return "nobody listens at " + NameOf(address);
  }
};

// A wire to servers that listen at sockets with names. Each has an address,
// which means something here alone.
class SocketWire : public Wire {
 public:
  // The address of whoever listens there, whether somebody does or not.
  // Forget() is to follow, as often as it was asked for.
  virtual Address AddressOf(const SocketName& name) = 0;
  virtual void Forget(const Address& address) = 0;
};

// Makes wires, at the request of a control command; may block for a moment.
class WireFactory {
 public:
  virtual ~WireFactory() = default;

  // A wire bound to `address`; port 0 means any free one. UNAVAILABLE if the
  // address is in use or not of this host, PERMISSION_DENIED if not allowed.
  virtual absl::StatusOr<std::unique_ptr<Wire>> Listen(
      const Address& address) = 0;

  // A wire for calls to others.
  virtual absl::StatusOr<std::unique_ptr<Wire>> Open() = 0;

  // The same by sockets that have names. Listening: UNAVAILABLE if the name is
  // in use, PERMISSION_DENIED if not allowed. UNIMPLEMENTED where there are
  // none.
  virtual absl::StatusOr<std::unique_ptr<Wire>> ListenAtSocket(
      const SocketName& /*name*/) {
    return NoSockets();
  }
  virtual absl::StatusOr<std::unique_ptr<SocketWire>> OpenSockets() {
    return NoSockets();
  }

 private:
  static absl::Status NoSockets() {
    return absl::UnimplementedError(
        "the NIC reaches no Unix sockets; use an address with a port");
  }
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_WIRE_H_
