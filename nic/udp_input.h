// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/udp_input.h
//
// How a UDP wire receives. Thread-safety: as of the wire.
#ifndef LAUBERHORN_NIC_UDP_INPUT_H_
#define LAUBERHORN_NIC_UDP_INPUT_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nic/udp_errors.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UdpInput {
 public:
  virtual ~UdpInput() = default;

  // As Wire::Receive() and UdpWire::descriptor().
  virtual absl::Span<const Datagram> Receive() = 0;
  virtual int descriptor() const = 0;

  // Made by it so far.
  virtual std::uint64_t system_calls() const = 0;
};

// Receives by system calls: recvmsg, and recvmmsg after a call that brought
// something, when more may be there. (For one packet recvmsg is cheaper, and
// where traffic is thin there is no second.) After one that did not bring a
// whole batch the next Receive() says that nothing is there and does not look:
// nearly always that is so, and what just came has its answer half a
// microsecond earlier. If something is there, the socket is readable. The
// socket does not block and outlives the input, and so do the errors, which are
// collected when a call fails; null if nobody wants them.
std::unique_ptr<UdpInput> MakeCallInput(int socket,
                                        UdpErrors* errors = nullptr);

// Powers of two. No completion finds the queue full while there are twice as
// many as buffers; tests have fewer.
struct RingSizes {
  unsigned buffers = 2 * Wire::kBatch;
  unsigned completions = 4 * Wire::kBatch;
};

// Receives through an io_uring, which fills buffers while this thread does
// something else. UNAVAILABLE if this system does not allow it, or not what it
// takes (Linux 6.0). The socket is bound and outlives the input.
absl::StatusOr<std::unique_ptr<UdpInput>> MakeRingInput(
    int socket, const RingSizes& sizes = {});

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UDP_INPUT_H_
