// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/udp_errors.h
//
// What the network says about packets that a UDP socket sent: that nobody
// listens where one went (ICMP port unreachable). The kernel keeps it in the
// socket's error queue, and reports each once as the error of a call that would
// have sent or received; only then is the queue looked at, so it costs no
// system call as long as nothing is wrong. Until it is emptied the socket wakes
// who sleeps on it.
//
// Thread-safety: as of the wire.
#ifndef LAUBERHORN_NIC_UDP_ERRORS_H_
#define LAUBERHORN_NIC_UDP_ERRORS_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UdpErrors {
 public:
  // Asks the kernel for them. The socket outlives this. Where the kernel does
  // not know how, there are none.
  UdpErrors(int socket, int family);

  // Empties the queue, a batch at most, after a call has failed. Whether
  // anything was there: then the failure was of an earlier packet.
  bool Collect();

  // Where nobody listens, of what was collected since the last call.
  absl::Span<const Address> Take();

  // Made by it so far.
  std::uint64_t system_calls() const { return system_calls_; }

 private:
  const int socket_;
  std::uint64_t system_calls_ = 0;
  std::size_t count_ = 0;
  Address collected_[Wire::kBatch];
  Address taken_[Wire::kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UDP_ERRORS_H_
