// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/wire.h
//
// A wire: where packets come from and go to. Neither call blocks. A packet that
// cannot be sent is lost, as on any network; the transport sends it again.
#ifndef LAUBERHORN_NIC_WIRE_H_
#define LAUBERHORN_NIC_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/address.h"

namespace lauberhorn::nic {

class Wire {
 public:
  virtual ~Wire() = default;

  // The next packet: writes it to `buffer` and its sender to `from`. Returns
  // its size, or 0 if there is none. A packet larger than the buffer comes cut.
  virtual std::size_t Receive(absl::Span<std::uint8_t> buffer,
                              Address* from) = 0;

  virtual void Send(const Address& to,
                    absl::Span<const std::uint8_t> packet) = 0;

  // Where others reach it.
  virtual Address local() const = 0;
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
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_WIRE_H_
